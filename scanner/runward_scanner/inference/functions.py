"""Functions: making them, and reading their bodies with the arguments of a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.classes import derives
from runward_scanner.inference.model import Activation, FunctionInfo, FunctionNode
from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Atom,
    Class,
    Container,
    External,
    Function,
    Instance,
    Role,
    Text,
    Thing,
    Value,
    is_open,
    one,
)

if TYPE_CHECKING:
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame

MOST_CONTEXTS = 6
"""With how many different sets of arguments a function is read before they are read as one."""
DEEPEST_CALL = 10
WORDS = frozenset(
    {"run", "r", "u", "n", "ru", "un", "_internal", "internal", "ToolRunner", "validate_input", "validate_output"}
)
DYNAMIC = ("builtins.", "operator.", "importlib.", "functools.", "inspect.")


def interesting(frame: Frame, value: Value) -> bool:
    """Whether a value is worth reading a function anew for."""
    return any(_interesting(frame, atom) for atom in value)


def _interesting(frame: Frame, atom: Atom) -> bool:
    kind = atom.__class__
    if kind is Role:
        return atom is not Role.UNKNOWN and atom is not Role.OPAQUE
    if kind is Text:
        text: str = atom.text  # type: ignore[union-attr]
        return text in WORDS or (text.isupper() and len(text) < 20)
    if kind is External:
        return atom.path.startswith(DYNAMIC)  # type: ignore[union-attr]
    if kind is Container or kind is Thing:
        heap = frame.engine.heap
        names = heap.names.get(atom, ())
        reader = frame.activation
        heap.read((atom, "*"), reader)
        return any(_deep(frame, heap.read((atom, name), reader), 2) for name in tuple(names))
    return True


def _deep(frame: Frame, value: Value, levels: int) -> bool:
    """Whether an element is of interest, looking into nested containers a little."""
    return any(levels > 0 if isinstance(atom, Container) else _interesting(frame, atom) for atom in value)


def make_function(frame: Frame, node: FunctionNode, name: str) -> Function:
    """The function that a ``def`` or ``lambda`` makes; in governed code its body is put in the queue."""
    engine = frame.engine
    info = engine.functions.get(node)
    if info is None:
        owner = frame.class_info
        outer = frame.class_info.qualname if frame.class_info else frame.function.qualname if frame.function else ""
        qualname = f"{outer}.{name}" if outer else name
        info = FunctionInfo(frame.module, node, name, qualname, owner, frame.inside)
        engine.functions[node] = info
    frame.capture(node)
    closure = frame.activation if frame.activation.function is not None else None
    made = Function(info, closure)
    if frame.module.governed:
        engine.enqueue(activation_of(frame, made, {}))
    return made


def activation_of(frame: Frame, function: Function, arguments: dict[str, Value]) -> Activation:
    """The activation of a function with these arguments; past a number of them, the one that holds all the rest."""
    info = function.info
    key: object = (function.closure, frozenset(arguments.items()))
    found = info.activations.get(key)
    if found is not None:
        return found
    if len(info.activations) >= MOST_CONTEXTS:
        key = (function.closure, "wide")
        wide = info.activations.get(key)
        if wide is not None:
            grown = {name: value | wide.arguments.get(name, NOTHING) for name, value in arguments.items()}
            if any(value != wide.arguments.get(name) for name, value in grown.items()):
                wide.arguments.update(grown)
                frame.engine.enqueue(wide)
            return wide
    made = Activation(info.module, info, dict(arguments), function.closure)
    info.activations[key] = made
    return made


def invoke(frame: Frame, function: Function, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a function with arguments gives."""
    engine = frame.engine
    info = function.info
    if function.bound is not None:
        arguments = arguments.before(function.bound)
    given = match_parameters(info.node.args, arguments)
    words = any(interesting(frame, value - _texts(value)) for value in given.values())
    kept = {
        name: value
        for name, value in given.items()
        if (interesting(frame, value) or (words and any(isinstance(atom, Text) for atom in value)))
        and not _covered(frame, info, name, value)
    }
    activation = activation_of(frame, function, kept)
    if activation.caller is None and (kept or not info.module.governed):
        activation.caller = (frame.activation, node)
        activation.depth = frame.activation.depth + 1
    if activation.depth > DEEPEST_CALL:
        return UNKNOWN
    if activation.evaluations == 0 and not activation.running:
        engine.evaluate(activation)
    result = engine.heap.read((activation, "return"), frame.activation)
    if is_open(result) or result == OPAQUE:
        claimed = _declared_result(frame, info)
        if claimed:
            return (result - UNKNOWN) | claimed
    if not result and (activation.running or activation.queued):
        return NOTHING
    return result or OPAQUE


def _declared_result(frame: Frame, info: FunctionInfo) -> Value:
    """What a function's annotation says that it gives; nothing where it says nothing."""
    if isinstance(info.node, ast.Lambda) or info.node.returns is None:
        return NOTHING
    claimed = annotated(frame.engine.frame_of_module(info.module), info.node.returns)
    return NOTHING if is_open(claimed) else claimed


def _texts(value: Value) -> Value:
    return frozenset(atom for atom in value if isinstance(atom, Text))


def _covered(frame: Frame, info: FunctionInfo, name: str, value: Value) -> bool:
    """Whether a parameter is taken to be all of this anyway, without knowing its argument."""
    default = frame.engine.defaults.get((info, name))
    if default is None:
        return False
    return all(atom in default or _is_narrower(atom, default) for atom in value)


def _is_narrower(atom: Atom, default: Value) -> bool:
    if isinstance(atom, Instance):
        return any(isinstance(other, Instance) and derives(atom.info, other.info) for other in default)
    if isinstance(atom, Class):
        return any(isinstance(other, Class) and derives(atom.info, other.info) for other in default)
    return atom is Role.UNKNOWN or atom is Role.OPAQUE


def match_parameters(spec: ast.arguments, arguments: Arguments) -> dict[str, Value]:
    """Which parameter gets which argument."""
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args)]
    given = dict(zip(names, arguments.positional, strict=False))
    surplus = arguments.positional[len(names) :]
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


def bind_parameters(frame: Frame) -> None:
    """Let the parameters of the function being read be the arguments, or what annotation, default and name say."""
    info = frame.function
    if info is None:
        return
    spec = info.node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
    pairs = [
        *zip(positional, [*defaults, *spec.defaults], strict=True),
        *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
    ]
    for index, (parameter, default) in enumerate(pairs):
        base = frame.engine.defaults.get((info, parameter.arg))
        if base is None or default is not None:
            base = _default(frame, info, index, parameter, default)
            frame.engine.defaults[info, parameter.arg] = base
        given = frame.activation.arguments.get(parameter.arg)
        frame.bind(parameter.arg, _joined(base, given), parameter)
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


def _default(frame: Frame, info: FunctionInfo, index: int, parameter: ast.arg, default: ast.expr | None) -> Value:
    """What a parameter is when its argument is not known."""
    if index == 0 and info.owner is not None and info.kind != "static":
        if info.kind == "class" or info.name in {"__new__", "__init_subclass__", "__class_getitem__"}:
            return one(Class(info.owner))
        return one(Instance(info.owner))
    value = annotated(frame, parameter.annotation) if parameter.annotation is not None else UNKNOWN
    if default is not None:
        given = frame.engine.default_values.get(default, NOTHING)
        value |= given - OPAQUE
    if is_open(value):
        role = role_of_name(parameter.arg)
        if role is not None:
            return (value - UNKNOWN) | {role}
    return value or UNKNOWN


def _bind_variadic(frame: Frame, parameter: ast.arg, kind: str) -> None:
    """Bind ``*args`` or ``**kwargs`` to a container of what is given."""
    container = Container(kind, parameter, frame.activation)
    content = frame.activation.arguments.get(parameter.arg, NOTHING)
    if parameter.annotation is not None:
        content |= annotated(frame, parameter.annotation)
    frame.engine.heap.write((container, "*"), content or UNKNOWN, frame.module, parameter)
    role = role_of_name(parameter.arg)
    extra = one(role) if role is not None and is_open(content) else NOTHING
    frame.bind(parameter.arg, one(container) | extra, parameter)
