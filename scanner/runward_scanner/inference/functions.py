"""Functions: making them, and reading their bodies with the arguments of a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.classes import derives
from runward_scanner.inference.heap import Derived
from runward_scanner.inference.interest import interesting, is_filled, takes_words, tells
from runward_scanner.inference.model import Activation, FunctionInfo, FunctionNode
from runward_scanner.inference.names import role_of_name
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
    Value,
    is_inert,
    is_open,
    is_prose,
    is_text,
    one,
)

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
        engine.functions[node] = info
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
    info = function.info
    key: object = (function.closure, frozenset(arguments.items()))
    found = info.activations.get(key)
    if found is not None:
        return found
    if len(info.activations) >= FEWEST_CONTEXTS:
        apart = _tell(frame, arguments)
        plain = info.activations.get((function.closure, NO_ARGUMENTS)) if not apart else None
        if plain is not None and _are_foreseen(frame, info, arguments):
            _widen(frame, plain, plain.besides, arguments)
            return plain
        if not apart or len(info.activations) >= MOST_CONTEXTS:
            key = (function.closure, "wide")
            wide = info.activations.get(key)
            if wide is not None:
                _widen(frame, wide, wide.arguments, arguments)
                return wide
    made = Activation(info.module, info, dict(arguments), function.closure)
    info.activations[key] = made
    return made


def _are_foreseen(frame: Frame, info: FunctionInfo, arguments: dict[str, Value]) -> bool:
    """Whether every argument is for a parameter of which more is known than its name, in code that is read anyway."""
    if not info.module.governed:
        return False
    defaults = frame.engine.defaults
    return all((info, name) in defaults and not is_open(defaults[info, name]) for name in arguments)


def _widen(frame: Frame, activation: Activation, known: dict[str, Value], arguments: dict[str, Value]) -> None:
    """Let an activation's parameters be these arguments too; where that is new, it is read again."""
    grown = False
    for name, value in arguments.items():
        before = known.get(name, NOTHING)
        if not value <= before:
            known[name] = before | value
            grown = True
    if grown and activation.evaluations:
        activation.parts.pop(activation.function.node, None)  # type: ignore[union-attr]
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
        readers = known.readers
        if not readers or readers[-1] is not part:
            readers.append(part)
        return known.value
    activation.part = known = Derived(part)
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
    if function.bound is not None:
        arguments = arguments.before(function.bound)
    kept = _worth_keeping(frame, function, match_parameters(info.node.args, arguments))
    activation = activation_of(frame, function, kept)
    if activation.caller is None and (activation.arguments or not info.module.governed):
        activation.caller = (frame.activation, node)
        activation.depth = frame.activation.depth + 1
    if activation.depth > DEEPEST_CALL:
        return UNKNOWN, False
    if activation.evaluations == 0 and not activation.running:
        engine.evaluate(activation)
    result = engine.heap.read(activation, "return", frame.activation)
    if is_open(result) or result == OPAQUE:
        claimed = _declared_result(frame, info)
        if claimed:
            return (result - UNKNOWN) | claimed, bool(result)
    if not result and (activation.running or activation.queued):
        return NOTHING, False
    return result or OPAQUE, bool(result)


def _worth_keeping(frame: Frame, function: Function, given: dict[str, Value]) -> dict[str, Value]:
    """The arguments that a function is read anew for, without what nothing can be learnt from."""
    info = function.info
    defaults = frame.engine.defaults
    kept: dict[str, Value] = {}
    words: bool | None = None
    for name, value in given.items():
        if value is OPAQUE or value is UNKNOWN or (info, name, value) in frame.engine.covered:
            continue
        default = defaults.get((info, name))
        if default is not None and value <= default:
            continue
        if not (interesting(frame, value) or is_filled(info, name, value)):
            if words is None:
                words = _take_words(frame, given)
            if not words or not any(map(is_text, value)):
                continue
        live = frozenset([atom for atom in value if not is_inert(atom) and not is_prose(atom)])
        if live and not _covered(frame, function, info, name, live):
            kept[name] = live
        elif PLAIN.issuperset(map(type, value)):
            frame.engine.covered.add((info, name, value))
    return kept


def _take_words(frame: Frame, given: dict[str, Value]) -> bool:
    """Whether one of the arguments is such that a string beside it may name an attribute or a module that matters."""
    for value in given.values():  # noqa: SIM110 - as above
        if any(map(takes_words, value)) and interesting(frame, value):
            return True
    return False


def _declared_result(frame: Frame, info: FunctionInfo) -> Value:
    """What a function's annotation says that it gives; nothing where it says nothing."""
    if isinstance(info.node, ast.Lambda) or info.node.returns is None:
        return NOTHING
    claimed = frame.engine.annotations.get(info.node.returns)
    if claimed is None:
        claimed = annotated(frame.engine.frame_of_module(info.module), info.node.returns)
    return NOTHING if is_open(claimed) else claimed


def _covered(frame: Frame, function: Function, info: FunctionInfo, name: str, value: Value) -> bool:
    """Whether a parameter is taken to be all of this anyway, without knowing its argument."""
    default = frame.engine.defaults.get((info, name))
    if default is None:
        if name not in parameters_of(info):
            return False
        plain = activation_of(frame, function, {})
        default = expected(frame.engine.frame_of(plain), info, name)
    for atom in value:  # noqa: SIM110 - as above
        if atom not in default and not _is_narrower(frame, atom, default, 2):
            return False
    return True


def _is_narrower(frame: Frame, atom: Atom, default: Value, levels: int) -> bool:
    if isinstance(atom, Instance):
        return any(isinstance(other, Instance) and derives(atom.info, other.info) for other in default)
    if isinstance(atom, Class):
        return any(isinstance(other, Class) and derives(atom.info, other.info) for other in default)
    if isinstance(atom, Container) and levels:
        return _is_held_narrower(frame, atom, default, levels)
    return atom is UNKNOWN_ROLE or atom is OPAQUE_ROLE


def _is_held_narrower(frame: Frame, atom: Container, default: Value, levels: int) -> bool:
    """Whether a container holds what its annotation says; it may then hold whatever is put in under that name."""
    heap = frame.engine.heap
    for other in default:
        if not isinstance(other, Container) or other.kind != "annotated":
            continue
        claimed = heap.read(other, "*", frame.activation)
        held = heap.read_all(atom, frame.activation, but="keys")
        if is_open(claimed):
            continue
        if all(is_inert(item) or item in claimed or _is_narrower(frame, item, claimed, levels - 1) for item in held):
            heap.write(atom, "*", claimed, frame.module, atom.site)
            return True
    return False


def match_parameters(spec: ast.arguments, arguments: Arguments) -> dict[str, Value]:
    """Which parameter gets which argument."""
    plain = not (arguments.keywords or arguments.rest or arguments.mapping or spec.posonlyargs)
    if plain and len(arguments.positional) <= len(spec.args):
        return {argument.arg: value for argument, value in zip(spec.args, arguments.positional, strict=False)}
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args)]
    given = dict(zip(names, arguments.positional, strict=False))
    surplus = arguments.positional[len(names) :]
    if not arguments.keywords and not arguments.rest and not arguments.mapping and not surplus:
        return given
    keyword_names = {*names, *(argument.arg for argument in spec.kwonlyargs)}
    for name, value in arguments.keywords.items():
        if name in keyword_names:
            given[name] = value
        elif spec.kwarg is not None:
            given[spec.kwarg.arg] = given.get(spec.kwarg.arg, NOTHING) | value
    loose = arguments.rest | arguments.mapping
    if loose:
        for name in keyword_names - given.keys():
            given[name] = loose
    if spec.vararg is not None and (surplus or arguments.rest):
        given[spec.vararg.arg] = NOTHING.union(*surplus, arguments.rest)
    return given


def parameters_of(info: FunctionInfo) -> dict[str, tuple[int, ast.arg, ast.expr | None]]:
    """Every parameter but the variadic ones by name, with its position and the default written."""
    if info.parameters is None:
        spec = info.node.args
        positional = [*spec.posonlyargs, *spec.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
        pairs = [
            *zip(positional, [*defaults, *spec.defaults], strict=True),
            *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
        ]
        info.parameters = {item.arg: (index, item, default) for index, (item, default) in enumerate(pairs)}
    return info.parameters


def expected(frame: Frame, info: FunctionInfo, name: str) -> Value:
    """What a parameter is taken to be where its argument is not known; the frame is of the function itself."""
    engine, key = frame.engine, (info, name)
    base = engine.defaults.get(key)
    index, parameter, default = parameters_of(info)[name]
    given = engine.default_values.get(default, NOTHING) if default is not None else NOTHING
    if base is None or engine.defaults_given.get(key, NOTHING) is not given:
        base = engine.defaults[key] = _default(frame, info, index, parameter, given)
        engine.defaults_given[key] = given
    return base


def bind_parameters(frame: Frame, node: FunctionNode) -> None:
    """Let the parameters of the function being read be the arguments, or what annotation, default and name say."""
    info = frame.function
    if info is None:
        return
    if info.node.args.defaults or info.node.args.kw_defaults:
        frame.keeps = False  # what a default is may show when it is read again
    arguments, besides = frame.activation.arguments, frame.activation.besides
    for name, (_, parameter, _) in parameters_of(info).items():
        base = expected(frame, info, name)
        value = _joined(base, arguments.get(name))
        frame.bind(name, value | besides[name] if name in besides else value, parameter)
    spec = info.node.args
    for variadic, kind in ((spec.vararg, "tuple"), (spec.kwarg, "dict")):
        if variadic is not None:
            _bind_variadic(frame, variadic, kind)


def _joined(base: Value, given: Value | None) -> Value:
    """An argument that is known replaces what was guessed of its parameter."""
    if given is None:
        return base
    if is_open(given) and not is_open(base):
        return (given - UNKNOWN) | base
    return given


def _default(frame: Frame, info: FunctionInfo, index: int, parameter: ast.arg, given: Value) -> Value:
    """What a parameter is when its argument is not known."""
    if index == 0 and info.owner is not None and info.kind != "static":
        if info.kind == "class" or info.name in {"__new__", "__init_subclass__", "__class_getitem__"}:
            return info.owner.itself
        return info.owner.instance
    value = annotated(frame, parameter.annotation) if parameter.annotation is not None else UNKNOWN
    value |= given - OPAQUE
    if is_open(value):
        role = role_of_name(parameter.arg)
        if any(isinstance(atom, Instance) for atom in value):
            return value - UNKNOWN  # a default of a known class says more than the name
        if role is not None:
            return (value - UNKNOWN) | {role}
    return value or UNKNOWN


def _bind_variadic(frame: Frame, parameter: ast.arg, kind: str) -> None:
    """Bind ``*args`` or ``**kwargs`` to a container of what is given."""
    container = Container(kind, parameter, frame.activation)
    content = frame.activation.arguments.get(parameter.arg, NOTHING)
    if parameter.annotation is not None:
        content |= annotated(frame, parameter.annotation)
    frame.engine.heap.write(container, "*", content or UNKNOWN, frame.module, parameter)
    role = role_of_name(parameter.arg)
    extra = one(role) if role is not None and is_open(content) else NOTHING
    frame.bind(parameter.arg, one(container) | extra, parameter)
