"""Functions of the standard library that hold calls or make them, and those that say what a value is."""

from __future__ import annotations

import ast
import itertools

from runward_scanner.inference.annotations import annotated, instance_of
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.folding import folded
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    AttrGetter,
    Class,
    External,
    Function,
    MethodCaller,
    Partial,
    Role,
    Thing,
    Value,
    one,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame


def partial(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``functools.partial``."""
    function = arguments.at(0)
    rest = arguments.after(1)
    if _depth(function) > 3:
        return UNKNOWN
    frame.engine.hand_over(frame, arguments, node)
    held = tuple(sorted(rest.keywords.items(), key=lambda pair: pair[0]))
    return one(Partial(function, tuple(rest.positional), held))


def _depth(value: Value) -> int:
    return max((1 + _depth(atom.function) for atom in value if type(atom) is Partial), default=0)


def methodcaller(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``operator.methodcaller``."""
    given = arguments.at(0)
    if not texts(given) and type(node) is ast.Call and node.args:
        given = folded(frame, node.args[0]) or given
    names = texts(given) or ["*"]
    return frozenset(MethodCaller(name, tuple(arguments.positional[1:])) for name in names)


MOST_WAYS = 16


def attrgetter(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``operator.attrgetter`` and ``itemgetter``."""
    item = path.endswith("itemgetter")
    names = [texts(value) for value in arguments.positional]
    if type(node) is ast.Call and len(node.args) == len(names) and not item:
        names = [known or texts(folded(frame, written)) for known, written in zip(names, node.args, strict=True)]
    if any(not choice for choice in names):
        return one(AttrGetter(("*",), item))
    ways = itertools.islice(itertools.product(*names), MOST_WAYS)
    return frozenset(AttrGetter(way, item) for way in ways)


def operator_call(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``operator.call``."""
    return frame.call(arguments.at(0), arguments.after(1), node)


def method_type(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``types.MethodType``."""
    found = NOTHING
    for atom in arguments.at(0):
        found |= one(Function(atom.info, atom.closure, arguments.at(1))) if type(atom) is Function else one(atom)
    return found or UNKNOWN


def thread_call(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``asyncio.to_thread``."""
    frame.engine.hand_over(frame, arguments, node)
    return frame.call(arguments.at(0), arguments.after(1), node)


def cast(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``typing.cast``."""
    if type(node) is ast.Call and node.args:
        claimed = annotated(frame, node.args[0])
        return arguments.at(1) if claimed == UNKNOWN else claimed | (arguments.at(1) - UNKNOWN - OPAQUE)
    return arguments.at(1)


def field(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``dataclasses.field``: its default."""
    factory = arguments.keywords.get("default_factory")
    if factory is not None:
        return frame.call(factory, Arguments(), node)
    return arguments.keywords.get("default", UNKNOWN)


def exception(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``sys.exception``."""
    return one(Role.EXCEPTION)


def enum(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """An enum that is made by a call."""
    frame.engine.hook_enum(frame, node, arguments)
    names = texts(arguments.at(0))
    if any(name in frame.engine.settings.state_classes for name in names):
        return one(Role.STATE_ENUM)
    return (
        one(Role.STATUS_ENUM)
        if any(name in frame.engine.settings.status_classes for name in names)
        else one(Thing(path, None, None))
    )


def register(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``register`` of a ``functools.singledispatch``: with a class, it waits for the function for its objects."""
    kinds = frozenset(atom for atom in arguments.at(0) if type(atom) is Class or atom is Role.PLUGIN_CLASS)
    if not kinds:
        return arguments.at(0) or one(External(path))
    taken = Partial(one(External("functools.singledispatch.registered")), (kinds,), ())
    function = arguments.at(1)
    return frame.call(one(taken), Arguments([function]), node) if function else one(taken)


def registered(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A function for the objects of a class is registered: it is called with them."""
    made = NOTHING.union(*(instance_of(frame, atom, ast.Constant(None)) for atom in arguments.at(0)))
    for atom in arguments.at(1):
        if type(atom) is Function:
            owner = atom.info.owner
            own = [owner.instance] if owner is not None and atom.bound is None else []
            frame.call(one(atom), Arguments([*own, made]), node)
    return arguments.at(1)
