"""What an annotation says of a value."""

from __future__ import annotations

import ast

from runward_scanner.inference.tables import ANY_EXCEPTION
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
    idle_thing,
    is_inert,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame

ANYTHING = frozenset({"typing.Any", "typing_extensions.Any", "builtins.object", "typing.Self", "typing.Hashable"})
WRAPPERS = frozenset(
    {
        "Annotated", "Awaitable", "ClassVar", "Coroutine", "Final", "Future", "InitVar", "NotRequired", "Optional",
        "ReadOnly", "Required", "Task", "TypeGuard", "Union",
    }
)  # fmt: skip
CLASSES: frozenset[type] = frozenset({Class, External})
CLASS_OF = frozenset({"builtins.type", "typing.Type"})
MAPPINGS = frozenset(
    {
        "ChainMap", "DefaultDict", "Dict", "ItemsView", "Mapping", "MappingProxyType", "MutableMapping", "OrderedDict",
        "UserDict", "ValuesView", "WeakValueDictionary", "defaultdict", "dict",
    }
)  # fmt: skip
SEQUENCES = frozenset(
    {
        "AbstractAsyncContextManager", "AbstractContextManager", "AbstractSet", "AsyncContextManager", "AsyncGenerator",
        "AsyncIterable", "AsyncIterator", "Collection", "Container", "ContextManager", "ContextVar", "Deque",
        "FrozenSet", "Generator", "Iterable", "Iterator", "KeysView", "List", "MutableSequence", "Queue", "Reversible",
        "Sequence", "Set", "Tuple", "WeakSet", "deque", "frozenset", "list", "ref", "set", "tuple",
    }
)  # fmt: skip


def annotated(frame: Frame, node: ast.expr) -> Value:
    """What a value annotated so may be; UNKNOWN where the annotation says nothing."""
    known = frame.engine.annotations.get(node)
    if known is not None:
        return known
    value = _annotated(frame, node)
    for atom in value:
        if type(atom) is not Instance and not is_inert(atom):
            return value  # which may say something else later, or elsewhere
    if value:
        frame.engine.annotations[node] = value
    return value


def _annotated(frame: Frame, node: ast.expr) -> Value:
    kind = type(node)
    if kind is ast.Name or kind is ast.Attribute:
        named = frame.value(node)
        known = frame.engine.meant.get(named)
        return known if known is not None else _meant(frame, node, named)
    if type(node) is ast.Constant:
        return _constant(frame, node)
    if type(node) is ast.BinOp and type(node.op) is ast.BitOr:
        return annotated(frame, node.left) | annotated(frame, node.right)
    if type(node) is ast.Subscript:
        return _subscript(frame, node)
    if type(node) is ast.Starred:
        return annotated(frame, node.value)
    return UNKNOWN


def _meant(frame: Frame, node: ast.expr, named: Value) -> Value:
    """What an instance is of what an annotation names; kept where classes alone are named."""
    found = NOTHING
    for atom in named:
        found |= instance_of(frame, atom, node)
    if named and CLASSES.issuperset(map(type, named)):
        frame.engine.meant[named] = found
    return found or UNKNOWN


def _constant(frame: Frame, node: ast.Constant) -> Value:
    """An annotation in quotes, or None."""
    if node.value is None:
        return OPAQUE
    if not isinstance(node.value, str):
        return UNKNOWN
    parsed = frame.engine.quoted.get(node)
    if parsed is None:
        try:
            parsed = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return UNKNOWN
        for child in ast.walk(parsed):
            ast.copy_location(child, node)
        frame.engine.quoted[node] = parsed
    return annotated(frame, parsed)


def instance_of(frame: Frame, atom: Atom, node: ast.expr) -> Value:
    """What an instance of an annotated class is."""
    kind = type(atom)
    if kind is Class:
        return atom.info.instance  # type: ignore[union-attr]
    if kind is External:
        made = frame.engine.instances.get(atom.path)  # type: ignore[union-attr]
        return made if made is not None else _of_elsewhere(frame, atom.path)  # type: ignore[union-attr]
    if type(atom) is Role:
        return frame.engine.made_by(atom)
    if kind is Text:
        return _quoted(frame, atom.text, node)  # type: ignore[union-attr]
    if type(atom) is Thing and atom.path in {"typing.TypeVar", "typing.NewType", "typing_extensions.TypeVar"}:
        bound = frame.engine.heap.read(atom, "*", frame.activation)
        return NOTHING.union(*(instance_of(frame, item, node) for item in bound if item is not atom)) or UNKNOWN
    if isinstance(atom, (Instance, Thing, Container, Function)):
        # A name that is a value, not a class: an alias of a type expression was evaluated to what it stands for.
        return one(atom)
    return UNKNOWN


def _quoted(frame: Frame, text: str, node: ast.expr) -> Value:
    """What an instance is of the class that a string names, such as a type variable's bound."""
    named = frame.lookup(text) if text.isidentifier() else NOTHING
    return NOTHING.union(
        *(instance_of(frame, item, node) for item in named if (type(item) is Class or type(item) is Role))
    )


def _of_elsewhere(frame: Frame, path: str) -> Value:
    """What an instance of a class of elsewhere is."""
    if path in ANYTHING or frame.engine.project.is_own_name(path):
        made = UNKNOWN
    elif path in ANY_EXCEPTION:
        made = frozenset({Role.EXCEPTION, Role.FAULT})
    else:
        made = idle_thing(path)
    frame.engine.instances[path] = made
    return made


def _subscript(frame: Frame, node: ast.Subscript) -> Value:
    """A generic: of the wrapper itself, or a container of what its arguments say."""
    base = frame.value(node.value)
    arguments = list(node.slice.elts) if type(node.slice) is ast.Tuple else [node.slice]
    found = NOTHING
    for atom in base:
        if type(atom) is External:
            found |= _generic(frame, atom.path, arguments, node)
        elif type(atom) is Class:
            found |= atom.info.instance
        elif type(atom) is Role:
            found |= frame.engine.made_by(atom)
    return found or UNKNOWN


def _generic(frame: Frame, path: str, arguments: list[ast.expr], node: ast.Subscript) -> Value:
    name = path.rpartition(".")[2]
    if not arguments and name not in SEQUENCES:
        return UNKNOWN  # ``X[()]``, which says something of tuples alone
    if name == "Literal":
        return NOTHING.union(*(frame.value(item) for item in arguments)) or UNKNOWN
    if path in CLASS_OF:
        return frame.engine.classes_of(annotated(frame, arguments[0]))
    if name == "Annotated":
        return annotated(frame, arguments[0])
    if name == "Coroutine":
        return annotated(frame, arguments[-1])
    if name in WRAPPERS:
        return NOTHING.union(*(annotated(frame, item) for item in arguments)) | (
            OPAQUE if name == "Optional" else NOTHING
        )
    if name == "Callable":
        made = Thing("typing.Callable", node, frame.activation)
        frame.engine.heap.write(made, "*", annotated(frame, arguments[-1]), frame.module, node)
        return one(made)
    if name in MAPPINGS or name in SEQUENCES:
        container = Container("annotated", node, frame.activation)
        held = arguments[-1:] if name in MAPPINGS else arguments
        value = NOTHING.union(*(annotated(frame, item) for item in held if not _is_ellipsis(item)))
        frame.engine.heap.write(container, "*", value, frame.module, node)
        if name in MAPPINGS:
            frame.engine.heap.write(container, "keys", annotated(frame, arguments[0]), frame.module, node)
        return one(container)
    return idle_thing(path) if not frame.engine.project.is_own_name(path) else UNKNOWN


def _is_ellipsis(node: ast.expr) -> bool:
    return type(node) is ast.Constant and node.value is Ellipsis
