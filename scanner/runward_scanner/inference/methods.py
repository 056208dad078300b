"""Methods of what is not a class among the files: containers, strings, registries, external objects."""

from __future__ import annotations

from runward_scanner.inference import containers
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.interest import interesting
from runward_scanner.inference.names import role_of_call
from runward_scanner.inference.tables import ENTRY_POINTS
from runward_scanner.inference.text_methods import of_text
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    OPAQUE_ROLE,
    TEXT_ROLES,
    UNKNOWN,
    Class,
    Container,
    External,
    Function,
    Globals,
    Instance,
    Method,
    Namespace,
    Role,
    Super,
    Text,
    Thing,
    Value,
    idle_thing,
    is_open,
    one,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from runward_scanner.inference.frame import Frame

GETTERS = frozenset(
    {
        "__aenter__", "__anext__", "__call__", "__enter__", "__getitem__", "__next__", "apply", "apply_async", "asend",
        "copy", "create_task", "elements", "enter_async_context", "enter_context", "exception", "get", "get_nowait",
        "items", "map", "peek", "pop", "popitem", "popleft", "result", "run_in_executor", "run_until_complete", "send",
        "setdefault", "start_soon", "submit", "values", "wait_for",
    }
)  # fmt: skip
ADDERS = frozenset(
    {"__setitem__", "add", "append", "appendleft", "insert", "push", "put", "put_nowait", "set", "set_result"}
)
EXTENDERS = frozenset({"__iadd__", "__ior__", "extend", "extendleft", "update"})
FUTURE = "asyncio.Future"
CONTEXT_VARIABLE = "contextvars.ContextVar"
LOOPS = frozenset({"asyncio.get_event_loop", "asyncio.get_running_loop", "asyncio.new_event_loop"})
LOOP_METHODS = frozenset({"create_future", "create_task", "run_in_executor", "run_until_complete"})
REGISTRY_GETTERS = frozenset(
    {
        "__getitem__", "acquire", "build", "by_name", "checkout", "create", "fetch", "find", "find_one", "get",
        "get_instance", "get_or_load", "instance", "instantiate", "load", "load_instance", "lookup", "make", "pop",
        "require", "resolve", "setdefault",
    }
)  # fmt: skip
STATE_GETTERS = frozenset({"get_state", "state_of", "get_plugin_state", "plugin_state"})
CASED = frozenset({"lower", "upper", "casefold", "strip"})
REGISTRY_LISTS = frozenset(
    {"values", "all", "list", "iter", "instances", "loaded", "copy", "plugins", "iter_plugins", "list_plugins"}
)


def call_method(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a method gives."""
    receiver, name = method.receiver, method.name
    if name in {"__getattribute__", "__getattr__"}:
        if len(arguments.positional) > 1:
            return frame.engine.dynamic_attribute(frame, arguments.at(0), arguments.at(1), node)
        return frame.engine.dynamic_attribute(frame, one(receiver), arguments.at(0), node)
    if name == "result" and type(receiver) is Instance:
        return one(receiver)
    if name == "__subclasses__":
        return containers.make(frame, "list", [], node, containers.subclasses_of(frame, one(receiver)) or UNKNOWN)
    model = MODELS.get(type(receiver))
    return model(frame, method, arguments, node) if model is not None else OPAQUE


def _of_role(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    role, name = method.receiver, method.name
    if role is Role.REGISTRY or role is Role.PLUGINS:
        if name in REGISTRY_GETTERS:
            return one(Role.PLUGIN)
        if name == "items":
            pair = containers.make(frame, "tuple", [OPAQUE, one(Role.PLUGIN)], node)
            return containers.make(frame, "items", [], node, pair)
        if name in REGISTRY_LISTS:
            return one(Role.PLUGINS)
        if name in STATE_GETTERS:
            return one(Role.STATE)
        claimed = role_of_call(name)
        return one(claimed) if claimed else UNKNOWN
    if role is Role.STATE:
        return one(role) if name in CASED else OPAQUE
    if role is Role.PLUGIN_CLASS and name == "mro":
        return containers.make(frame, "list", [], node, one(role))
    if role is Role.ENTRY_POINTS:
        return one(Role.PLUGIN_CLASS) if name in {"load", "resolve"} else one(role)
    if role in TEXT_ROLES:
        return one(role) if name not in {"startswith", "endswith", "count", "find", "index", "isdigit"} else OPAQUE
    if role is Role.EXCEPTION or role is Role.FAULT:
        return one(Role.EXCEPTION_TEXT if role is Role.EXCEPTION else Role.FAULT_TEXT)
    return UNKNOWN


def _of_container(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    container, name = method.receiver, method.name
    if type(container) is not Container:
        return OPAQUE
    heap = frame.engine.heap
    if name in ACTING:
        _act(frame, container, name, arguments, node)
    if name in ADDERS:
        value = arguments.at(len(arguments.positional) - 1) if arguments.positional else arguments.every()
        heap.write(container, containers.ANY, value, frame.module, node)
        return OPAQUE
    if name in EXTENDERS:
        return _extend(frame, container, arguments, node)
    if name == "setdefault":
        containers.put_item(frame, one(container), arguments.at(0), arguments.at(1), node)
        return containers.item(frame, one(container), arguments.at(0), node)
    if name in {"get", "pop", "__getitem__"}:
        default = arguments.at(1)
        if not arguments.positional:
            return containers.contents(frame, container) or UNKNOWN
        return containers.item(frame, one(container), arguments.at(0), node) | default
    if name in {"items", "popitem"}:
        keys = heap.read(container, containers.KEYS, frame.activation) or OPAQUE
        pair = containers.make(frame, "tuple", [keys, containers.contents(frame, container) or OPAQUE], node)
        return pair if name == "popitem" else containers.make(frame, "items", [], node, pair)
    if name == "values":
        return containers.make(frame, "values", [], node, containers.contents(frame, container) or OPAQUE)
    if name == "keys":
        return containers.make(
            frame, "keys", [], node, heap.read(container, containers.KEYS, frame.activation) or OPAQUE
        )
    if name in {"copy", "__iter__", "__aiter__", "__enter__", "__aenter__", "union", "difference"}:
        return one(container)
    return containers.contents(frame, container) or OPAQUE


ACTING = frozenset({"asend", "send", "sort"})
"""Methods of containers that hand something to code of the project."""


def _act(frame: Frame, container: Container, name: str, arguments: Arguments, node: ast.AST) -> None:
    """A list is sorted by a key, or a generator is sent something, which its ``yield`` gives."""
    if name == "sort":
        key = arguments.keywords.get("key")
        if key:
            frame.call(key, Arguments([containers.contents(frame, container) or OPAQUE]), node)
    elif container.kind == "generator":
        sent = container._replace(kind="sent")
        frame.engine.heap.write(sent, containers.ANY, arguments.at(0), frame.module, node)


def _extend(frame: Frame, container: Container, arguments: Arguments, node: ast.AST) -> Value:
    """``extend`` and ``update``."""
    for value in (*arguments.positional, arguments.rest):
        for atom in value:
            if type(atom) is Container:
                for cell in tuple(frame.engine.heap.names_of(atom)):
                    target = cell if not cell.startswith("#") else containers.ANY
                    frame.engine.heap.write(
                        container, target, frame.engine.heap.read(atom, cell, frame.activation), frame.module, node
                    )
            elif atom is not OPAQUE_ROLE:
                frame.engine.heap.write(
                    container, containers.ANY, containers.elements(frame, one(atom), node), frame.module, node
                )
    for name, value in arguments.keywords.items():
        frame.engine.heap.write(container, f"={name}", value, frame.module, node)
    return OPAQUE


def _of_loop(frame: Frame, name: str, arguments: Arguments, results: Value, node: ast.AST) -> Value:
    """An event loop gives back what this very call hands it, not what others did."""
    if name == "create_future":
        return one(Thing(FUTURE, node, frame.activation))
    if name == "run_in_executor":
        return results or idle_thing("asyncio.get_event_loop")
    return arguments.at(0, "coro") or UNKNOWN


def _of_thing(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    thing, name = method.receiver, method.name
    if type(thing) is not Thing:
        return OPAQUE
    heap = frame.engine.heap
    results = frame.engine.callbacks(frame, arguments, node)
    path = thing.path
    if path == ENTRY_POINTS and name in {"select", "get"}:
        chosen = any("plugin" in group for group in texts(arguments.every()))
        return one(Role.ENTRY_POINTS) if chosen else idle_thing(ENTRY_POINTS)
    if path in LOOPS and name in LOOP_METHODS:
        return _of_loop(frame, name, arguments, results, node)
    if thing.site is not None and (name in ADDERS or name in GETTERS):
        for value in (*arguments.positional, *arguments.keywords.values(), arguments.rest):
            if interesting(frame, value):
                heap.write(thing, containers.ANY, value, frame.module, node)
    held = results
    if name in GETTERS:
        held |= containers.contents(frame, thing)
        if held and path == CONTEXT_VARIABLE and name == "get":
            return held | arguments.at(0, "default")
    if not held:
        return idle_thing(thing.path)
    made = Thing(thing.path, node, frame.activation)
    heap.write(made, containers.ANY, held, frame.module, node)
    return held | one(made)


def _of_namespace(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    namespace, name = method.receiver, method.name
    if type(namespace) is Globals:
        if name in {"get", "pop", "__getitem__"}:
            return containers.item(frame, one(namespace), arguments.at(0), node)
        if name == "update":
            for key, value in arguments.keywords.items():
                containers.put_item(frame, one(namespace), one(Text(key)), value, node)
        return UNKNOWN
    if type(namespace) is not Namespace:
        return OPAQUE
    if name in {"get", "pop", "__getitem__", "setdefault"}:
        return frame.engine.dynamic_attribute(frame, namespace.owner, arguments.at(0), node)
    if name == "update":
        for key, value in arguments.keywords.items():
            frame.engine.put(frame, namespace.owner, key, value, node)
        for atom in arguments.at(0) | arguments.mapping:
            if type(atom) is Container:
                _put_all(frame, namespace.owner, atom, node)
        return OPAQUE
    if name in {"values", "items"}:
        return frame.engine.every_attribute(frame, namespace.owner, node, pairs=name == "items")
    return OPAQUE


def _put_all(frame: Frame, owner: Value, mapping: Container, node: ast.AST) -> None:
    """Write what a mapping holds as attributes."""
    heap = frame.engine.heap
    for cell in tuple(heap.names_of(mapping)):
        if cell.startswith("="):
            frame.engine.put(frame, owner, cell[1:], heap.read(mapping, cell, frame.activation), node)
    loose = heap.read(mapping, containers.ANY, frame.activation)
    if loose:
        frame.engine.dynamic_put(frame, owner, UNKNOWN, loose, node)


def _of_class(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    owner = method.receiver
    if type(owner) is Class and owner.info.traits & {"enum", "state", "status"}:
        if method.name in {"get", "__getitem__", "pop"}:
            frame.engine.hook_member(frame, node, one(owner), arguments.at(0))
        return owner.info.exact_instance if method.name != "__members__" else UNKNOWN
    if type(owner) is Class and method.name == "mro":
        return frame.attribute(one(owner), "__mro__", node)
    if type(owner) is Class and method.name == "__new__":
        frame.engine.hook_construct(frame, node, owner.info, arguments.after(1))
        return owner.info.exact_instance
    return UNKNOWN


def _of_super(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    owner = method.receiver
    if type(owner) is Super and method.name == "__new__":
        return owner.info.instance
    if type(owner) is Super and method.name == "__call__":
        return NOTHING.union(*(atom.info.exact_instance for atom in owner.bound if type(atom) is Class)) or UNKNOWN
    if type(owner) is Super and method.name == "__setattr__":
        frame.engine.dynamic_put(frame, owner.bound, arguments.at(0), arguments.at(1), node)
    return OPAQUE


def _of_external(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    return UNKNOWN


def _of_function(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    return UNKNOWN


MODELS: dict[type, Callable[[Frame, Method, Arguments, ast.AST], Value]] = {
    Role: _of_role,
    Container: _of_container,
    Thing: _of_thing,
    Text: of_text,
    Namespace: _of_namespace,
    Globals: _of_namespace,
    Class: _of_class,
    Super: _of_super,
    External: _of_external,
    Function: _of_function,
}


def is_known(value: Value) -> bool:
    """Whether all that a value may be is known."""
    return not is_open(value)
