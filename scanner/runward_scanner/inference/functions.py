"""Functions: making them, and reading their bodies with the arguments of a call."""

from __future__ import annotations

import ast

from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.classes import derives
from runward_scanner.inference.heap import derived_for
from runward_scanner.inference.interest import interesting, is_filled, takes_words, tells
from runward_scanner.inference.model import Activation, FunctionInfo, FunctionNode
from runward_scanner.inference.parameters import expected, match_parameters, own_parameter, parameters_of
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    UNKNOWN,
    UNKNOWN_ROLE,
    Atom,
    Class,
    Container,
    Function,
    Instance,
    Role,
    Text,
    Value,
    is_inert,
    is_open,
    is_prose,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame

MOST_CONTEXTS = 6
"""With how many different sets of arguments a function is read before they are read as one."""
FEWEST_CONTEXTS = 1
"""The same where none of the arguments is itself what a rule asks for, nor holds it."""
NO_ARGUMENTS: frozenset[tuple[str, Value]] = frozenset()
DEEPEST_CALL = 10
PLAIN: frozenset[type] = frozenset({Instance, Class, Role})
"""Atoms that stay what they are: nothing is put into them."""


def make_function(frame: Frame, node: FunctionNode, name: str) -> Function:
    """The function that a ``def`` or ``lambda`` makes; in governed code its body is put in the queue."""
    engine = frame.engine
    info = engine.functions.get(node)
    if info is None:
        owner = frame.class_info
        outer = frame.class_info.qualname if frame.class_info else frame.function.qualname if frame.function else ""
        qualname = f"{outer}.{name}" if outer else name
        info = FunctionInfo(frame.module, node, name, qualname, owner=owner, inside=frame.inside)
        spec = node.args
        info.parameters = parameters_of(spec)
        info.most_positional = len(spec.posonlyargs) + len(spec.args)
        engine.functions[node] = info
        if info.is_lambda and frame.activation.function is not None:
            info.calls = frame.activation.function.calls
    frame.capture(node)
    closure = frame.activation if frame.activation.function is not None else None
    made = Function(info, closure)
    if frame.module.governed:
        activation = activation_of(frame, made, {})
        if activation.evaluations == 0:
            engine.enqueue(activation)
    return made


def activation_of(frame: Frame, function: Function, arguments: dict[str, Value]) -> Activation:
    """The activation of a function with these arguments; past a number of them, the one that holds all the rest."""
    info, closure = function.info, function.closure
    key: object = (closure, frozenset(arguments.items()) if arguments else NO_ARGUMENTS)
    found = info.activations.get(key)
    if found is not None:
        return found
    if len(info.activations) >= FEWEST_CONTEXTS:
        apart = _tell(frame, arguments)
        plain = info.activations.get((closure, NO_ARGUMENTS)) if not apart else None
        if plain is not None and _are_foreseen(frame, info, arguments):
            _widen(frame, plain, plain.besides, arguments)
            return plain
        if not apart or len(info.activations) >= MOST_CONTEXTS:
            key = (closure, "wide")
            wide = info.activations.get(key)
            if wide is not None:
                _widen(frame, wide, wide.arguments, arguments)
                return wide
        else:
            grown = _less_known(info, closure, arguments)
            if grown is not None:
                _widen(frame, grown, grown.arguments, arguments)
                info.activations[key] = grown
                return grown
    made = Activation(info.module, info, arguments, closure)
    info.activations[key] = made
    return made


def _less_known(info: FunctionInfo, closure: Activation | None, arguments: dict[str, Value]) -> Activation | None:
    """An activation for some of what these arguments may be, which most often come from the same call, read again."""
    for known in info.activations.values():
        held = known.arguments
        if held.keys() == arguments.keys() and known.parent is closure and arguments:
            for name, value in held.items():
                if not value <= arguments[name]:
                    break
            else:
                return known
    return None


def _are_foreseen(frame: Frame, info: FunctionInfo, arguments: dict[str, Value]) -> bool:
    """Whether every argument is for a parameter of which more is known than its name, in code that is read anyway."""
    if not info.module.governed:
        return False
    defaults = info.defaults
    return all(name in defaults and not is_open(defaults[name]) for name in arguments)


def _widen(frame: Frame, activation: Activation, known: dict[str, Value], arguments: dict[str, Value]) -> None:
    """Let an activation's parameters be these arguments too; where that is new, it is read again."""
    grown = False
    for name, value in arguments.items():
        before = known.get(name, NOTHING)
        if not value <= before:
            known[name] = before | value
            grown = True
    if grown and activation.evaluations:
        frame.engine.enqueue(activation)


def _tell(frame: Frame, arguments: dict[str, Value]) -> bool:
    """Whether one of the arguments is what a rule asks for, or holds it."""
    for value in arguments.values():  # noqa: SIM110 - a generator takes twice the time
        if tells(frame, value, 2):
            return True
    return False


def invoke(frame: Frame, function: Function, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a function with arguments gives."""
    engine, activation = frame.engine, frame.activation
    engine.calls += 1
    key = (function, *arguments.positional, *arguments.keywords.items(), arguments.rest, arguments.mapping)
    known = engine.results.get(key)
    part = activation.part
    if known is not None and not known.stale:
        known.readers.append(part)
        return known.value
    activation.part = known = derived_for(part)
    try:
        known.value, is_final = _invoke(frame, function, arguments, node)
    finally:
        activation.part = part
    if is_final:
        engine.results[key] = known
    return known.value


def _invoke(frame: Frame, function: Function, arguments: Arguments, node: ast.AST) -> tuple[Value, bool]:
    """What calling a function gives, and whether that hangs on nothing but cells."""
    engine = frame.engine
    info = function.info
    kept = _worth_keeping(frame, function, match_parameters(info, arguments, function.bound))
    activation = activation_of(frame, function, kept)
    if activation.caller is None and (activation.arguments or not info.module.governed):
        activation.caller = (frame.activation, node)
        activation.depth = frame.activation.depth + 1
    if activation.depth > DEEPEST_CALL:
        return UNKNOWN, False
    if activation.evaluations == 0 and not activation.running:
        engine.evaluate(activation)
    result = engine.heap.read(activation, "return", frame.activation)
    if not result or UNKNOWN_ROLE in result or result == OPAQUE:
        claimed = _declared_result(frame, info)
        if claimed:
            if not result:
                return claimed, claimed == OPAQUE  # as of most functions that give nothing
            return (result - UNKNOWN) | claimed, True
    if not result and (activation.running or activation.queued):
        return NOTHING, False
    return result or OPAQUE, bool(result)


def _worth_keeping(frame: Frame, function: Function, given: dict[str, Value]) -> dict[str, Value]:
    """The arguments that a function is read anew for, without what nothing can be learnt from."""
    info, lives = function.info, frame.engine.lives
    defaults, covered = info.defaults, info.covered
    kept: dict[str, Value] = {}
    words: bool | None = None
    for name, value in given.items():
        if value is OPAQUE or value is UNKNOWN:
            continue
        default = defaults.get(name)
        if (default is not None and value <= default) or (name, value) in covered:
            continue
        live = lives.get(value)
        if live is None:
            live = lives[value] = _live(value)
        if not live:
            continue
        if not (interesting(frame, value) or is_filled(info, name, value)):
            if Text not in map(type, value):
                continue
            if words is None:
                words = _take_words(frame, given)
            if not words:
                continue
        if not _covered(frame, function, info, name, live):
            kept[name] = live
        elif PLAIN.issuperset(map(type, value)):
            covered.add((name, value))
    return kept


def _live(value: Value) -> Value:
    """The atoms of a value of which something can be learnt."""
    for atom in value:
        if is_inert(atom) or is_prose(atom):
            return frozenset([atom for atom in value if not is_inert(atom) and not is_prose(atom)])
    return value


def _take_words(frame: Frame, given: dict[str, Value]) -> bool:
    """Whether one of the arguments is such that a string beside it may name an attribute or a module that matters."""
    for value in given.values():  # noqa: SIM110 - as above
        if any(map(takes_words, value)) and interesting(frame, value):
            return True
    return False


def _declared_result(frame: Frame, info: FunctionInfo) -> Value:
    """What a function's annotation says that it gives; nothing where it says nothing."""
    node = info.node
    returns = node.returns if type(node) is not ast.Lambda else None  # type: ignore[union-attr]
    if returns is None:
        return NOTHING
    claimed = frame.engine.annotations.get(returns)
    if claimed is None:
        claimed = annotated(frame.engine.frame_of_module(info.module), returns)
    return NOTHING if is_open(claimed) else claimed


def _covered(frame: Frame, function: Function, info: FunctionInfo, name: str, value: Value) -> bool:
    """Whether a parameter is taken to be all of this anyway, without knowing its argument."""
    default = info.defaults.get(name)
    if default is None:
        parameter = info.parameters.get(name)
        if parameter is None:
            return False
        default = own_parameter(info, parameter[0])
        if default is None:
            plain = activation_of(frame, function, {})
            default = expected(frame.engine.frame_of(plain), info, name)
    for atom in value:  # noqa: SIM110 - as above
        if atom not in default and not _is_narrower(frame, atom, default, 2):
            return False
    return True


def _is_narrower(frame: Frame, atom: Atom, default: Value, levels: int) -> bool:
    kind = type(atom)
    if kind is Instance or kind is Class:
        for other in default:  # noqa: SIM110 - as above
            if type(other) is kind and derives(atom.info, other.info):  # type: ignore[arg-type, union-attr]
                return True
        return False
    if type(atom) is Container and levels:
        return _is_held_narrower(frame, atom, default, levels)
    return atom is UNKNOWN_ROLE or atom is OPAQUE_ROLE


def _is_held_narrower(frame: Frame, atom: Container, default: Value, levels: int) -> bool:
    """Whether a container holds what its annotation says; it may then hold whatever is put in under that name."""
    heap = frame.engine.heap
    for other in default:
        if type(other) is not Container or other.kind != "annotated":
            continue
        claimed = heap.read(other, "*", frame.activation)
        held = heap.read_all(atom, frame.activation, but="keys")
        if is_open(claimed):
            continue
        if all(is_inert(item) or item in claimed or _is_narrower(frame, item, claimed, levels - 1) for item in held):
            heap.write(atom, "*", claimed, frame.module, atom.site)
            return True
    return False
