"""Calls: what calling each kind of value gives."""

from __future__ import annotations

import ast

from runward_scanner.inference import containers
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.construction import construct
from runward_scanner.inference.externals import call_external, is_run
from runward_scanner.inference.functions import invoke
from runward_scanner.inference.methods import call_method
from runward_scanner.inference.names import role_of_call
from runward_scanner.inference.values import (
    INSTANCES,
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    UNKNOWN,
    UNKNOWN_ROLE,
    Atom,
    AttrGetter,
    Class,
    Container,
    External,
    Function,
    Instance,
    Method,
    MethodCaller,
    Partial,
    PluginRun,
    Role,
    Thing,
    Value,
    bounded,
    idle_thing,
    is_open,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runward_scanner.inference.frame import Frame

STARRED = ast.Starred
ROWS = frozenset({"starmap", "starmap_async"})
"""Methods of pools that call a function with the elements of each element."""
DEFAULTING = frozenset({"get", "setdefault", "pop"})
"""Methods whose second argument is what they give where they find nothing."""


def call(frame: Frame, callee: Value, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a value gives."""
    if len(callee) == 1:
        (atom,) = callee
        kind = type(atom)
        if kind in CALLERS:
            return CALLERS[kind](frame, atom, arguments, node)
        result = _of_atom(frame, atom, arguments, node)
    else:
        result = NOTHING
        for atom in bounded(callee):
            result |= _of_atom(frame, atom, arguments, node)
        if not callee:
            result = UNKNOWN
    if not callee or UNKNOWN_ROLE in callee:
        result |= frame.engine.callbacks(frame, arguments, node) - OPAQUE
        if type(node) is ast.Call and type(node.func) is ast.Attribute and node.func.attr in DEFAULTING:
            result |= frozenset(atom for atom in arguments.at(1) if type(atom) is Instance)
    return result


def _of_atom(frame: Frame, atom: Atom, arguments: Arguments, node: ast.AST) -> Value:
    kind = type(atom)
    if kind is Role:
        return _of_role(atom, arguments)  # type: ignore[arg-type]
    caller = CALLERS.get(kind, _of_carrier)
    return caller(frame, atom, arguments, node)


def _of_instance(frame: Frame, atom: Instance, arguments: Arguments, node: ast.AST) -> Value:
    return containers.special(frame, atom, "__call__", arguments, node) or UNKNOWN


def _of_carrier(frame: Frame, atom: Atom, arguments: Arguments, node: ast.AST) -> Value:
    """Objects that hold a call to be made."""
    if type(atom) is Partial:
        merged = Arguments([*atom.positional, *arguments.positional], dict(atom.keywords, **arguments.keywords))
        merged.rest, merged.mapping = arguments.rest, arguments.mapping
        return frame.call(atom.function, merged, node)
    if type(atom) is MethodCaller:
        if atom.name == "*":
            return frame.engine.dynamic_attribute(frame, arguments.at(0), UNKNOWN, node)
        method = frame.attribute(arguments.at(0), atom.name, node)
        return frame.call(method, Arguments(list(atom.positional)), node)
    if type(atom) is AttrGetter:
        return _get(frame, atom, arguments, node)
    if type(atom) is Thing:
        frame.engine.callbacks(frame, arguments, node)
        return containers.contents(frame, atom) or idle_thing(atom.path)
    return OPAQUE


def _of_role(role: Role, arguments: Arguments) -> Value:
    if role is UNKNOWN_ROLE:
        return UNKNOWN
    made = INSTANCES.get(role)
    if made is not None:
        return one(made)
    return OPAQUE if role is OPAQUE_ROLE else UNKNOWN


def _of_run(frame: Frame, atom: PluginRun, arguments: Arguments, node: ast.AST) -> Value:
    """A plugin's ``run`` is called: outside ToolRunner that is reported, if getting hold of it was not."""
    if not atom.reported and not frame.engine.is_tool_runner_code(frame):
        frame.engine.hook_run(frame, node, atom)
    return UNKNOWN


def _get(frame: Frame, getter: AttrGetter, arguments: Arguments, node: ast.AST) -> Value:
    receiver = arguments.at(0)
    found = []
    for dotted in getter.names:
        value = receiver
        if getter.item:
            value = containers.item(frame, value, OPAQUE, node)
        elif dotted == "*":
            value = frame.engine.dynamic_attribute(frame, value, UNKNOWN, node)
        else:
            for name in dotted.split("."):
                value = frame.attribute(value, name, node)
        found.append(value)
    return found[0] if len(found) == 1 else containers.make(frame, "tuple", found, node)


CALLERS: dict[type, Callable[[Frame, Any, Arguments, ast.AST], Value]] = {
    Function: invoke,
    External: call_external,
    Method: call_method,
    Class: construct,
    Instance: _of_instance,
    PluginRun: _of_run,
}


def callbacks(frame: Frame, arguments: Arguments, node: ast.AST) -> Value:
    """What functions that are handed to unknown code give, when that calls them with what else it was handed."""
    for value in arguments.all():
        if not HANDED.isdisjoint(map(type, value)) and _may_be_called(value):
            return _called_back(frame, arguments, node)
    return NOTHING


def _called_back(frame: Frame, arguments: Arguments, node: ast.AST) -> Value:
    result = NOTHING
    for index, value in enumerate(arguments.positional):
        if _may_be_called(value):
            result |= frame.call(_callables(value), _following(frame, arguments, index, node), node)
    for value in arguments.keywords.values():
        if _may_be_called(value):
            given = arguments.keywords.get("args")
            rest = containers.elements(frame, given, node) if given else NOTHING
            spread = _spread(frame, given) if given else None
            handed = Arguments(spread) if spread is not None else Arguments([], {}, rest)
            result |= frame.call(_callables(value), handed, node)
    if is_run(arguments.every()):
        hand_over(frame, arguments, node)
    return result


def _following(frame: Frame, arguments: Arguments, index: int, node: ast.AST) -> Arguments:
    """The arguments after a callback, or its ``args``, or the elements of what else is handed over."""
    following = arguments.positional[index + 1 :]
    if following and type(node) is ast.Call and type(node.func) is ast.Attribute and node.func.attr in ROWS:
        rows = containers.elements(frame, following[0], node)
        return Arguments([], {}, containers.elements(frame, rows, node))
    given = arguments.keywords.get("args")
    if given:
        return Arguments(_spread(frame, given) or [containers.elements(frame, given, node)])
    if following:
        return Arguments([value | _inner(frame, value, node) for value in following], {}, arguments.rest)
    if index > 0:
        before = NOTHING.union(*arguments.positional[:index])
        return Arguments([], {}, _inner(frame, before, node))
    return Arguments([], {}, arguments.rest)


def _inner(frame: Frame, value: Value, node: ast.AST) -> Value:
    """The elements of containers, for callers that call once an element."""
    held = frozenset(atom for atom in value if type(atom) is Container or atom is Role.PLUGINS)
    return containers.elements(frame, held, node) if held else NOTHING


def _spread(frame: Frame, value: Value) -> list[Value] | None:
    """The elements of the one container that a value may be, where every one has its place."""
    held = [atom for atom in value if type(atom) is Container]
    return containers.positions(frame, held[0]) if len(held) == 1 else None


def _may_be_called(value: Value) -> bool:
    """Whether a value holds something that may be called back."""
    for atom in value:  # noqa: SIM110 - a generator takes twice the time
        if type(atom) in HANDED and _is_callback(atom):
            return True
    return False


def _is_callback(atom: Atom) -> bool:
    kind = type(atom)
    if kind is Class:
        return atom.info.traits.isdisjoint(("enum", "state", "status"))  # type: ignore[union-attr]
    return kind in HANDED and (kind is not PluginRun or not atom.reported)  # type: ignore[union-attr]


HANDED: frozenset[type] = frozenset({Function, Partial, MethodCaller, Class, PluginRun})


def _callables(value: Value) -> Value:
    return frozenset(atom for atom in value if _is_callback(atom))


def hand_over(frame: Frame, arguments: Arguments, node: ast.AST) -> None:
    """A plugin's ``run`` that came out of ToolRunner is handed on."""
    for value in arguments.all():
        if PluginRun in map(type, value) and is_run(value) and not frame.engine.is_tool_runner_code(frame):
            frame.engine.hook_run(frame, node, PluginRun(reported=False))
            return


def gather_arguments(frame: Frame, node: ast.Call) -> Arguments:
    """Evaluate the arguments of a call."""
    positional: list[Value] = []
    arguments = Arguments(positional)
    for argument in node.args:
        if type(argument) is STARRED:
            _spread_star(frame, arguments, argument)
        else:
            positional.append(frame.value(argument))
    written = node.keywords
    if written:
        keywords: dict[str, Value] = {}
        for keyword in written:
            value, name = frame.value(keyword.value), keyword.arg
            if name is not None:
                keywords[name] = value
            else:
                _spread_mapping(frame, arguments, keywords, value)
        arguments.keywords = keywords
    return arguments


def _spread_mapping(frame: Frame, arguments: Arguments, keywords: dict[str, Value], value: Value) -> None:
    """Hand over what a mapping holds: under the names that are known, and at no known place."""
    heap = frame.engine.heap
    for atom in value:
        if type(atom) is Container:
            for name in heap.names_of(atom):
                if name.startswith("="):
                    keywords[name[1:]] = heap.read(atom, name, frame.activation)
            arguments.mapping |= heap.read(atom, "*", frame.activation)
        elif atom is Role.PLUGINS:
            arguments.mapping |= {Role.PLUGIN}


def _spread_star(frame: Frame, arguments: Arguments, argument: ast.Starred) -> None:
    value = frame.value(argument.value)
    spread = _spread(frame, value) if len(value) == 1 else None
    if spread is not None and not arguments.rest:
        arguments.positional.extend(spread)
    else:
        arguments.rest |= containers.elements(frame, value, argument)


def named_call(name: str, result: Value) -> Value:
    """Let a function's name speak for its result where nothing else does."""
    if not is_open(result):
        return result
    role = role_of_call(name)
    return (result - UNKNOWN) | {role} if role is not None else result or UNKNOWN
