"""Parameters: which gets which argument of a call, and what they are taken to be where that is not known."""

from __future__ import annotations

import ast

from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Container,
    Function,
    Instance,
    Value,
    is_open,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import FunctionInfo


def match_parameters(info: FunctionInfo, arguments: Arguments, bound: Value | None = None) -> dict[str, Value]:
    """Which parameter gets which argument; the first gets what the function is bound to."""
    positional = arguments.positional if bound is None else [bound, *arguments.positional]
    if not (arguments.keywords or arguments.rest or arguments.mapping) and len(positional) <= info.most_positional:
        return dict(zip(info.parameters, positional))  # noqa: B905 - strict takes time
    spec = info.node.args
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args)]
    given = dict(zip(names, positional, strict=False))
    surplus = positional[len(names) :]
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


def parameters_of(spec: ast.arguments) -> dict[str, tuple[int, ast.arg, ast.expr | None]]:
    """Every parameter but the variadic ones by name, with its position and the default written."""
    if not (spec.defaults or spec.kwonlyargs or spec.posonlyargs):
        plain: dict[str, tuple[int, ast.arg, ast.expr | None]] = {}
        for item in spec.args:
            plain[item.arg] = (len(plain), item, None)
        return plain
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
    pairs = [
        *zip(positional, [*defaults, *spec.defaults], strict=True),
        *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
    ]
    return {item.arg: (index, item, default) for index, (item, default) in enumerate(pairs)}


def expected(frame: Frame, info: FunctionInfo, name: str) -> Value:
    """What a parameter is taken to be where its argument is not known; the frame is of the function itself."""
    base = info.defaults.get(name)
    index, parameter, default = info.parameters[name]
    if default is None:
        given = NOTHING
        if base is not None:
            return base
    else:
        given = frame.engine.default_values.get(default, NOTHING)
    if base is None or info.defaults_given.get(name, NOTHING) is not given:
        base = info.defaults[name] = _default(frame, info, index, parameter, given)
        info.defaults_given[name] = given
    return base


def bind_parameters(frame: Frame, info: FunctionInfo) -> None:
    """Let the parameters of the function being read be the arguments, or what annotation, default and name say."""
    spec = info.node.args
    arguments, besides = frame.activation.arguments, frame.activation.besides
    defaults = info.defaults
    env, bound = frame.env, frame.bound  # what ``bind`` would write, for nothing else holds for them yet
    for name, (_, parameter, default) in info.parameters.items():
        value = defaults[name] if default is None and name in defaults else expected(frame, info, name)
        if name in arguments:
            value = _joined(value, arguments[name])
        if name in besides:
            value |= besides[name]
        env[name] = value
        bound[name] = parameter
    variadic, mapping = spec.vararg, spec.kwarg
    if variadic is not None:
        _bind_variadic(frame, variadic, "tuple")
    if mapping is not None:
        _bind_variadic(frame, mapping, "dict")


def _joined(base: Value, given: Value) -> Value:
    """An argument that is known replaces what was guessed of its parameter."""
    if is_open(given) and not is_open(base):
        return (given - UNKNOWN) | base
    return given


def _default(frame: Frame, info: FunctionInfo, index: int, parameter: ast.arg, given: Value) -> Value:
    """What a parameter is when its argument is not known."""
    own = own_parameter(info, index)
    if own is not None:
        return own
    value = annotated(frame, parameter.annotation) if parameter.annotation is not None else UNKNOWN
    if given:
        value |= given - OPAQUE
    if is_open(value):
        fixture = _fixture(frame, parameter.arg)
        if fixture:
            return fixture
        role = role_of_name(parameter.arg)
        if any(type(atom) is Instance for atom in value):
            return value - UNKNOWN  # a default of a known class says more than the name
        if role is not None:
            return (value - UNKNOWN) | {role}
    return value or UNKNOWN


def _fixture(frame: Frame, name: str) -> Value:
    """What pytest hands over under a name: what the module's fixture of that name gives; nothing where it has none."""
    cell = frame.cells.get(name)
    if cell is None or not cell.value:
        return NOTHING
    found = NOTHING
    for atom in cell.value:
        if isinstance(atom, Function) and any(map(_is_fixture, getattr(atom.info.node, "decorator_list", ()))):
            made = frame.call(one(atom), Arguments(), atom.info.node)
            for item in made:
                held = item if not (isinstance(item, Container) and item.kind == "generator") else None
                found |= one(held) if held is not None else frame.engine.heap.read(item, "*", frame.activation)
    return found - UNKNOWN - OPAQUE


def _is_fixture(decorator: ast.expr) -> bool:
    """Whether a decorator is pytest's ``fixture``."""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(named, "attr", getattr(named, "id", "")) == "fixture"


def own_parameter(info: FunctionInfo, index: int) -> Value | None:
    """What the first parameter of a method is, ``self`` or ``cls``; None for any other."""
    if index or info.owner is None or info.kind == "static":
        return None
    if info.kind == "class" or info.name in {"__new__", "__init_subclass__", "__class_getitem__"}:
        return info.owner.itself
    return info.owner.instance


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
