"""Functions and classes of the standard library that make, fill and go through containers."""

from __future__ import annotations

from runward_scanner.inference import containers
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import kept_by
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Container,
    External,
    Instance,
    Text,
    Thing,
    Value,
    idle_thing,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.frame import Frame


def push(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """What puts an element into a list that it is given, and perhaps takes one out."""
    held = arguments.at(1)
    for atom in arguments.at(0):
        if type(atom) is Container or type(atom) is Thing:
            frame.engine.heap.write(atom, containers.ANY, held, frame.module, node)
    return OPAQUE if path in {"heapq.heappush", "bisect.insort"} else containers.elements(frame, arguments.at(0), node)


def mapping(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A dict, made of others, of pairs and of keywords."""
    made = containers.make_dict(frame, [(one(Text(name)), value) for name, value in arguments.keywords.items()], node)
    for source in arguments.positional:
        for atom in source:
            if type(atom) is Container and atom.kind == "dict":
                frame.call(frame.attribute(made, "update", node), Arguments([one(atom)]), node)
                continue
            pairs = containers.elements_of(frame, atom, node) or UNKNOWN
            for pair in pairs:
                key = containers.item_of(frame, pair, OPAQUE, node, 0) or UNKNOWN
                held = containers.item_of(frame, pair, OPAQUE, node, 1) or UNKNOWN
                containers.put_item(frame, made, key, held, node)
    return made


def next_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``next``."""
    return containers.elements(frame, arguments.at(0), node) | (arguments.at(1) - OPAQUE)


def choose(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """One of the elements of what is given, or of several; ``key`` is called with each."""
    if len(arguments.positional) == 1:
        found = containers.elements(frame, arguments.at(0), node)
    else:
        found = NOTHING.union(*arguments.positional) or UNKNOWN
    if "key" in arguments.keywords:
        frame.call(arguments.keywords["key"], Arguments([found]), node)
    return found


def sorted_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``sorted``: the same elements; ``key`` is called with each."""
    if "key" in arguments.keywords:
        elements = containers.elements(frame, arguments.at(0), node)
        frame.call(arguments.keywords["key"], Arguments([elements]), node)
    return arguments.at(0) or UNKNOWN


def largest(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``heapq.nlargest`` and ``nsmallest``: some of the elements; ``key`` is called with each."""
    found = containers.elements(frame, arguments.at(1), node)
    key = arguments.at(2, "key")
    if key:
        frame.call(key, Arguments([found]), node)
    return containers.make(frame, "list", [], node, found)


def grouped(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``itertools.groupby``: keys, each with elements."""
    elements = containers.elements(frame, arguments.at(0), node)
    key = arguments.at(1, "key")
    keys = frame.call(key, Arguments([elements]), node) if key else elements
    group = containers.make(frame, "list", [], node, elements)
    pair = Container("tuple", node, frame.activation)
    frame.engine.heap.write(pair, containers.POSITIONS[0], keys or OPAQUE, frame.module, node)
    frame.engine.heap.write(pair, containers.POSITIONS[1], group, frame.module, node)
    pairs = Container("zip", node, frame.activation)
    frame.engine.heap.write(pairs, containers.ANY, one(pair), frame.module, node)
    return one(pairs)


def tee(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``itertools.tee``: several iterators over the same elements."""
    return containers.make(frame, "tuple", [], node, arguments.at(0) or UNKNOWN)


def replaced(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``dataclasses.replace``: an object of the same class, with some fields that may be something else."""
    for atom in arguments.at(0):
        if type(atom) is Instance:
            for name, value in arguments.keywords.items():
                frame.engine.heap.write(atom.info, name, kept_by(atom.info, value), frame.module, node)
    return arguments.at(0) or UNKNOWN


def as_container(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``dataclasses.asdict`` and ``astuple``: what the fields hold."""
    found = NOTHING
    for atom in arguments.at(0):
        if type(atom) is Instance:
            held = [(name, frame.attribute(one(atom), name, node)) for name in atom.info.fields]
            if path.endswith("asdict"):
                found |= containers.make_dict(frame, [(one(Text(name)), value) for name, value in held], node)
            else:
                found |= containers.make(frame, "tuple", [value for _, value in held], node)
    return found or idle_thing(path)


def zip_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``zip`` and ``enumerate``."""
    parts = [containers.elements(frame, value, node) for value in arguments.positional]
    if path == "builtins.enumerate":
        parts = [OPAQUE, *parts[:1]]
    pair = containers.make(frame, "tuple", parts, node)
    container = Container("zip", node, frame.activation)
    frame.engine.heap.write(container, containers.ANY, pair, frame.module, node)
    return one(container)


def map_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``map`` and what else calls a function for each element."""
    columns = [containers.elements(frame, value, node) for value in arguments.positional[1:]]
    function = arguments.at(0)
    if path.endswith("starmap"):
        rows = columns[0] if columns else UNKNOWN
        result = frame.call(function, Arguments([], {}, containers.elements(frame, rows, node)), node)
    elif path.endswith("reduce"):
        seed = NOTHING.union(*columns, arguments.at(2))
        result = frame.call(function, Arguments([seed, columns[0] if columns else UNKNOWN]), node)
        if result and not result <= seed:
            result |= frame.call(function, Arguments([result, columns[0] if columns else UNKNOWN]), node)
        return result | seed
    elif path.endswith(("filter", "filterfalse")):
        frame.call(function, Arguments(columns), node)
        result = columns[0] if columns else UNKNOWN
    else:
        result = frame.call(function, Arguments(columns), node)
    return containers.make(frame, "list", [], node, result or UNKNOWN)


def getitem(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``operator.getitem``."""
    return containers.item(frame, arguments.at(0), arguments.at(1), node)


def context_variable(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``contextvars.ContextVar``: it gives what it is set to, and its default, but not its name."""
    made = Thing(path, node, frame.activation)
    default = arguments.keywords.get("default")
    if default:
        frame.engine.heap.write(made, containers.ANY, default, frame.module, node)
    return one(made)


def defaultdict(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``collections.defaultdict``."""
    factory = frame.call(arguments.at(0), Arguments(), node) if arguments.positional else NOTHING
    made = mapping(frame, path, Arguments(arguments.positional[1:], arguments.keywords), node)
    for atom in made:
        frame.engine.heap.write(atom, containers.ANY, factory - OPAQUE, frame.module, node)
    return made


def namedtuple(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A named tuple's class: what it makes gives out what it was given."""
    return one(External("types.SimpleNamespace"))
