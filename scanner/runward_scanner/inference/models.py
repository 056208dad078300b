"""Functions and classes of the standard library that are modelled one by one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeAlias

from runward_scanner.inference import containers, strings
from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    AttrGetter,
    Class,
    Container,
    External,
    Function,
    Globals,
    MethodCaller,
    Namespace,
    Partial,
    Role,
    Super,
    Text,
    Thing,
    Value,
    one,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_scanner.inference.frame import Frame

    Model: TypeAlias = Callable[[Frame, str, Arguments, ast.AST], Value]


def _push(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """What puts an element into a list that it is given, and perhaps takes one out."""
    held = arguments.at(1)
    for atom in arguments.at(0):
        if isinstance(atom, (Container, Thing)):
            frame.engine.heap.write((atom, containers.ANY), held, frame.module, node)
    return OPAQUE if path in {"heapq.heappush", "bisect.insort"} else containers.elements(frame, arguments.at(0), node)


def mapping(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A dict, made of others, of pairs and of keywords."""
    made = containers.make_dict(frame, [(one(Text(name)), value) for name, value in arguments.keywords.items()], node)
    for source in arguments.positional:
        for atom in source:
            if isinstance(atom, Container) and atom.kind == "dict":
                frame.call(frame.attribute(made, "update", node), Arguments([one(atom)]), node)
                continue
            pairs = containers.elements(frame, one(atom), node)
            for pair in pairs:
                key = containers.item(frame, one(pair), OPAQUE, node, 0)
                containers.put_item(frame, made, key, containers.item(frame, one(pair), OPAQUE, node, 1), node)
    return made


def _getattr(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    found = frame.engine.dynamic_attribute(frame, arguments.at(0), arguments.at(1), node)
    return found | (arguments.at(2) - OPAQUE)


def _setattr(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    frame.engine.dynamic_put(frame, arguments.at(0), arguments.at(1), arguments.at(2), node)
    return OPAQUE


def _vars(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if arguments.positional:
        return one(Namespace(arguments.at(0)))
    return one(Globals(frame.module)) if frame.is_module else _locals(frame, path, arguments, node)


def _locals(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if frame.is_module:
        return one(Globals(frame.module))
    frame.keeps = False
    return containers.make_dict(frame, [(one(Text(name)), value) for name, value in frame.env.items()], node)


def _globals(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return one(Globals(frame.module))


def _type(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) >= 3:
        bases = containers.elements(frame, arguments.at(1), node)
        frame.engine.hook_type(frame, node, arguments)
        plugin = any(a is Role.PLUGIN_CLASS or (isinstance(a, Class) and "plugin" in a.info.traits) for a in bases)
        return one(Role.PLUGIN_CLASS) if plugin else UNKNOWN
    return frame.engine.classes_of(arguments.at(0))


def _super(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    owner = frame.inside[0] if frame.inside else None
    for atom in arguments.at(0):
        if isinstance(atom, Class):
            owner = atom.info
    if owner is None:
        return UNKNOWN
    first = arguments.at(1)
    if not first and frame.function is not None and frame.function.node.args.args:
        first = frame.lookup(frame.function.node.args.args[0].arg)
    return one(Super(owner, first or owner.instance))


def _next(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return containers.elements(frame, arguments.at(0), node) | (arguments.at(1) - OPAQUE)


def _choose(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 1:
        return containers.elements(frame, arguments.at(0), node)
    return NOTHING.union(*arguments.positional) or UNKNOWN


def _zip(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    parts = [containers.elements(frame, value, node) for value in arguments.positional]
    if path == "builtins.enumerate":
        parts = [OPAQUE, *parts[:1]]
    pair = containers.make(frame, "tuple", parts, node)
    container = Container("zip", node, frame.activation)
    frame.engine.heap.write((container, containers.ANY), pair, frame.module, node)
    return one(container)


def _map(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    columns = [containers.elements(frame, value, node) for value in arguments.positional[1:]]
    function = arguments.at(0)
    if path.endswith("starmap"):
        rows = columns[0] if columns else UNKNOWN
        result = frame.call(function, Arguments([], {}, containers.elements(frame, rows, node)), node)
    elif path.endswith("reduce"):
        seed = NOTHING.union(*columns, arguments.at(2))
        result = frame.call(function, Arguments([seed, columns[0] if columns else UNKNOWN]), node)
        return result | seed
    elif path.endswith(("filter", "filterfalse")):
        frame.call(function, Arguments(columns), node)
        result = columns[0] if columns else UNKNOWN
    else:
        result = frame.call(function, Arguments(columns), node)
    return containers.make(frame, "list", [], node, result or UNKNOWN)


def _str(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    first = arguments.at(0)
    taint = strings.taint_of([first])
    known = texts(first)
    if known and path == "builtins.str":
        return frozenset(Text(text) for text in known) | taint
    return taint or frozenset({Role.COMPUTED})


def _chr(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        code = node.args[0].value
        if isinstance(code, int) and 0 < code < 0x110000:
            return one(Text(chr(code)))
    return strings.COMPUTED


def _bytes(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple)):
        codes = [
            item.value for item in node.args[0].elts if isinstance(item, ast.Constant) and isinstance(item.value, int)
        ]
        if len(codes) == len(node.args[0].elts) and all(0 < code < 128 for code in codes):
            return one(Text("".join(map(chr, codes))))
    return arguments.at(0) if texts(arguments.at(0)) else OPAQUE


def _partial(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    function = arguments.at(0)
    rest = arguments.after(1)
    if _depth(function) > 3:
        return UNKNOWN
    frame.engine.hand_over(frame, arguments, node)
    held = tuple(sorted(rest.keywords.items(), key=lambda pair: pair[0]))
    return one(Partial(function, tuple(rest.positional), held))


def _depth(value: Value) -> int:
    return max((1 + _depth(atom.function) for atom in value if isinstance(atom, Partial)), default=0)


def _methodcaller(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    names = texts(arguments.at(0)) or ["*"]
    return frozenset(MethodCaller(name, tuple(arguments.positional[1:])) for name in names)


def _attrgetter(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    item = path.endswith("itemgetter")
    names = [texts(value) for value in arguments.positional]
    if any(not choice for choice in names):
        return one(AttrGetter(("*",), item))
    return one(AttrGetter(tuple(choice[0] for choice in names), item))


def _operator_call(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.call(arguments.at(0), arguments.after(1), node)


def _getitem(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return containers.item(frame, arguments.at(0), arguments.at(1), node)


def _method_type(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    found = NOTHING
    for atom in arguments.at(0):
        found |= one(Function(atom.info, atom.closure, arguments.at(1))) if isinstance(atom, Function) else one(atom)
    return found or UNKNOWN


def _import_module(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.engine.dynamic_import(frame, path, arguments, node)


def _entry_points(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    named = texts(arguments.every())
    return one(Role.ENTRY_POINTS) if any("plugin" in name for name in named) else one(Thing(path, None, None))


def _cast(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    if isinstance(node, ast.Call) and node.args:
        claimed = annotated(frame, node.args[0])
        return arguments.at(1) if claimed == UNKNOWN else claimed | (arguments.at(1) - UNKNOWN - OPAQUE)
    return arguments.at(1)


def _field(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    factory = arguments.keywords.get("default_factory")
    if factory is not None:
        return frame.call(factory, Arguments(), node)
    return arguments.keywords.get("default", UNKNOWN)


def _property(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    for atom in arguments.at(0):
        if isinstance(atom, Function):
            atom.info.kind = "property"
    return arguments.at(0)


def _members(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return frame.engine.every_attribute(frame, arguments.at(0), node, pairs=True)


def _defaultdict(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    factory = frame.call(arguments.at(0), Arguments(), node) if arguments.positional else NOTHING
    made = mapping(frame, path, Arguments(arguments.positional[1:], arguments.keywords), node)
    for atom in made:
        frame.engine.heap.write((atom, containers.ANY), factory - OPAQUE, frame.module, node)
    return made


def _namedtuple(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A named tuple's class: what it makes gives out what it was given."""
    return one(External("types.SimpleNamespace"))


def _decoded(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """Text that is written out in base 64 or rot13: decoded."""
    import base64  # noqa: PLC0415 - hardly any code needs it
    import codecs  # noqa: PLC0415 - as above

    rotated = {"rot13", "rot_13", "rot-13"}.issuperset(texts(arguments.at(1)))
    if path == "codecs.decode" and not (rotated and texts(arguments.at(1))):
        return strings.COMPUTED
    try:
        made = [
            base64.b64decode(text).decode() if path == "base64.b64decode" else codecs.decode(text, "rot13")
            for text in texts(arguments.at(0))
        ]
    except ValueError:
        return strings.COMPUTED
    return frozenset(map(Text, made)) or strings.COMPUTED


def _new(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``object.__new__(cls)``."""
    found = NOTHING
    for atom in arguments.at(0):
        if isinstance(atom, Class):
            frame.engine.hook_construct(frame, node, atom.info, arguments.after(1))
            found |= atom.info.exact_instance
    return found or UNKNOWN


def _delattr(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    for name in texts(arguments.at(1)):
        frame.engine.hook_store(frame, node, arguments.at(0), name, NOTHING)
    return OPAQUE


def _exception(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return one(Role.EXCEPTION)


def _thread_call(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    frame.engine.hand_over(frame, arguments, node)
    return frame.call(arguments.at(0), arguments.after(1), node)


def _enum(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    frame.engine.hook_enum(frame, node, arguments)
    names = texts(arguments.at(0))
    if any(name in frame.engine.settings.state_classes for name in names):
        return one(Role.STATE_ENUM)
    return (
        one(Role.STATUS_ENUM)
        if any(name in frame.engine.settings.status_classes for name in names)
        else one(Thing(path, None, None))
    )


MODELS: dict[str, Model] = {
    "builtins.getattr": _getattr,
    "inspect.getattr_static": _getattr,
    "builtins.object.__getattribute__": _getattr,
    "builtins.type.__getattribute__": _getattr,
    "builtins.setattr": _setattr,
    "builtins.object.__setattr__": _setattr,
    "builtins.type.__setattr__": _setattr,
    "builtins.vars": _vars,
    "builtins.locals": _locals,
    "builtins.globals": _globals,
    "builtins.type": _type,
    "builtins.super": _super,
    "builtins.next": _next,
    "builtins.anext": _next,
    "builtins.min": _choose,
    "builtins.max": _choose,
    "random.choice": _choose,
    "statistics.mode": _choose,
    "heapq.heappush": _push,
    "heapq.heappop": _push,
    "heapq.heappushpop": _push,
    "heapq.heapreplace": _push,
    "bisect.insort": _push,
    "bisect.insort_left": _push,
    "bisect.insort_right": _push,
    "builtins.zip": _zip,
    "itertools.zip_longest": _zip,
    "itertools.product": _zip,
    "builtins.enumerate": _zip,
    "builtins.map": _map,
    "builtins.filter": _map,
    "itertools.filterfalse": _map,
    "itertools.starmap": _map,
    "functools.reduce": _map,
    "builtins.str": _str,
    "builtins.repr": _str,
    "builtins.ascii": _str,
    "builtins.format": _str,
    "sys.intern": _str,
    "builtins.chr": _chr,
    "builtins.bytes": _bytes,
    "functools.partial": _partial,
    "functools.partialmethod": _partial,
    "operator.methodcaller": _methodcaller,
    "operator.attrgetter": _attrgetter,
    "operator.itemgetter": _attrgetter,
    "operator.call": _operator_call,
    "operator.getitem": _getitem,
    "types.MethodType": _method_type,
    "importlib.import_module": _import_module,
    "importlib.__import__": _import_module,
    "builtins.__import__": _import_module,
    "importlib.reload": _import_module,
    "importlib.metadata.entry_points": _entry_points,
    "typing.cast": _cast,
    "typing_extensions.cast": _cast,
    "dataclasses.field": _field,
    "builtins.property": _property,
    "functools.cached_property": _property,
    "inspect.getmembers": _members,
    "inspect.getmembers_static": _members,
    "collections.defaultdict": _defaultdict,
    "sys.exception": _exception,
    "builtins.delattr": _delattr,
    "builtins.object.__new__": _new,
    "base64.b64decode": _decoded,
    "codecs.decode": _decoded,
    "collections.namedtuple": _namedtuple,
    "asyncio.to_thread": _thread_call,
    "contextvars.copy_context": lambda frame, path, arguments, node: one(Thing(path, None, None)),
    "enum.Enum": _enum,
    "enum.StrEnum": _enum,
    "enum.IntEnum": _enum,
}
