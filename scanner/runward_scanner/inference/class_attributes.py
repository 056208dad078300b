"""Attributes of classes among the files and of their instances."""

from __future__ import annotations

from runward_scanner.inference import containers
from runward_scanner.inference.annotations import annotated
from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import ancestors, derives, descendants, find_attribute
from runward_scanner.inference.functions import invoke
from runward_scanner.inference.heap import derived_for
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Atom,
    Class,
    Function,
    Instance,
    Method,
    PluginRun,
    Role,
    Super,
    Text,
    Value,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import Activation, ClassInfo


RUN = "run"
OF_ANY_INSTANCE = frozenset({RUN, "__class__", "__getattribute__"})
"""Attributes of instances that are not looked up, ``run`` where they are plugins."""
MEMBER = frozenset({"name", "value"})
MEMBERS = frozenset({"__members__", "_member_map_", "_value2member_map_"})
GIVING = frozenset({Function, Instance})
"""What an instance may give out as something else: a method bound, a descriptor asked."""


def of_exception(name: str) -> Value:
    """What an attribute of an exception is."""
    if name in {"args", "__cause__", "__context__"}:
        return one(Role.EXCEPTION_TEXT if name == "args" else Role.EXCEPTION)
    if name in {"__traceback__", "tb_frame", "traceback"}:
        return one(Role.TRACEBACK)
    if name in {"__str__", "__repr__", "__format__"}:
        return one(Method(Role.EXCEPTION, name))
    return UNKNOWN


def plugin_run(frame: Frame, owner: Atom, node: ast.AST, *, bound: bool) -> Value:
    """A plugin's ``run`` is obtained: report it outside ToolRunner."""
    frame.engine.calls += 1
    allowed = frame.engine.is_tool_runner_code(frame)
    if not allowed:
        frame.engine.hook_run(frame, node, owner)
    return one(PluginRun(reported=not allowed, bound=bound))


def of_instance(frame: Frame, atom: Instance, name: str, node: ast.AST) -> Value:
    """An instance's attribute: functions bound, properties read; without a definition what else says of it."""
    info = atom.info
    if name in OF_ANY_INSTANCE:
        if name == "__class__":
            return info.itself
        if name == "__getattribute__":
            return one(Method(atom, name))
        if "plugin" in info.traits:
            return plugin_run(frame, atom, node, bound=True)
    found = find_attribute(frame.engine, info, name, frame.activation)
    if info.subclasses and not atom.exact and not name.startswith("__"):
        if name == RUN and not found and (mixed := _mixed_in(info)) is not None:
            return plugin_run(frame, mixed, node, bound=True)
        for sub in descendants(info):
            found |= frame.engine.heap.read(sub, name, frame.activation)
    if name in MEMBER and "enum" in info.traits:
        found |= _member_values(frame, info, node) if name == "value" else _outcome_names(frame, info, node)
    result = found
    for item in found:
        if type(item) in GIVING:
            result = _given(frame, found, info.exact_instance if atom.exact else info.instance, node, info)
            break
    for held in info.containers:
        result |= one(Method(held, name))
    return result or _without_definition(frame, atom, name, node)


def _mixed_in(info: ClassInfo) -> Instance | None:
    """A plugin of a class that another, no plugin's itself, is mixed into."""
    return next((Instance(sub) for sub in descendants(info) if "plugin" in sub.traits), None)


def _given(frame: Frame, found: Value, owner: Value, node: ast.AST, info: ClassInfo) -> Value:
    """What an instance gives for what its class, or it itself, has under a name."""
    result = NOTHING
    if len(found) == 1:
        return _bound(frame, next(iter(found)), owner, node, info)
    for item in found:
        if type(item) in GIVING:
            given = _bound(frame, item, owner, node, info)
            result = result | given if result else given
        else:
            result |= {item}
    return result


def _outcome_names(frame: Frame, info: ClassInfo, node: ast.AST) -> Value:
    """The names of metrics' outcomes that a member may have: its own where it is written out, else any."""
    if OUTCOMES.isdisjoint(frame.engine.heap.cells_of(info)):
        return NOTHING
    member = getattr(getattr(node, "value", None), "attr", "")
    if frame.engine.heap.is_written(info, member):
        return one(Text(member)) if member in OUTCOMES else NOTHING
    return frozenset(Text(word) for word in OUTCOMES if frame.engine.heap.is_written(info, word)) | UNKNOWN


OUTCOMES = frozenset({"SUCCESS", "ERROR"})


def _member_values(frame: Frame, info: ClassInfo, node: ast.AST) -> Value:
    """The strings that members of an enum stand for: one's where it is written out, else everyone's."""
    engine, activation = frame.engine, frame.activation
    engine.calls += 1
    member = getattr(getattr(node, "value", None), "attr", "")
    heap = engine.heap
    if heap.is_written(info, member):
        return frozenset(atom for atom in heap.read(info, member, activation) if type(atom) is Text)
    size = len(heap.cells_of(info))
    known = engine.member_values.get((info, size))
    if known is None or known.stale:
        part = activation.part
        known = engine.member_values[info, size] = activation.part = derived_for(part)
        known.value = frozenset(atom for atom in heap.read_all(info, activation) if type(atom) is Text)
        activation.part = part
    else:
        known.readers.append(activation.part)
    return known.value


def _without_definition(frame: Frame, atom: Instance, name: str, node: ast.AST) -> Value:
    """An attribute that is nowhere set: what its annotation, a ``__getattr__`` or a dynamic write says."""
    info = atom.info
    if "state" in info.traits or "status" in info.traits:
        return UNKNOWN
    if name == "_replace" and "record" in info.traits:
        return info.itself
    if name == "result" and "plugin" in info.traits:
        return one(Method(atom, name))  # of the task, say, that gives the plugin
    for current in ancestors(info):
        if name in current.annotations and current.module.top is not None:
            return annotated(frame.engine.frame_of_class(current), current.annotations[name])
    heap = frame.engine.heap
    dynamic = heap.read(info, "*", frame.activation)
    if dynamic:
        return dynamic
    for special in ("__getattr__", "__getattribute__"):
        for item in find_attribute(frame.engine, info, special, frame.activation):
            if type(item) is Function:
                bound = Function(item.info, item.closure, one(atom))
                return invoke(frame, bound, Arguments([one(Text(name))]), node)
    if "exception" in info.traits or name in {"args", "__cause__", "__context__", "__traceback__"}:
        return of_exception(name)
    return (
        UNKNOWN
        if "open" in info.traits or heap.read_anywhere(name, frame.activation)
        else frame.engine.missing(info, name)
    )


def of_class(frame: Frame, atom: Class, name: str, node: ast.AST) -> Value:
    """A class's attribute; an enum's member is an instance of it."""
    info = atom.info
    if "plugin" in info.traits and name == RUN:
        return plugin_run(frame, atom, node, bound=False)
    if name in {"__mro__", "__bases__"}:
        line = frozenset(Class(item) for item in ancestors(info)[name == "__bases__" :])
        return containers.make(frame, "tuple", [], node, line or OPAQUE)
    if name in {"__name__", "__qualname__", "__module__"}:
        return one(Text(info.name if name != "__module__" else info.module.name))
    if name == "mro":
        return one(Method(atom, name))
    if name in MEMBERS and "state" in info.traits:
        return info.itself  # looked into like the enum itself
    found = find_attribute(frame.engine, info, name, frame.activation)
    if "enum" in info.traits or "state" in info.traits:
        members = frozenset(item for item in found if type(item) is not Function)
        if members and not name.startswith("_"):
            return info.exact_instance
    result = NOTHING
    for item in found:
        if type(item) is Function and item.bound is None and item.info.kind == "class":
            result |= one(Function(item.info, item.closure, one(atom)))
        else:
            result |= _described(frame, item, node)
    if not result and info.line is not None:
        result = _of_metaclass(frame, atom, name, node)
    if result:
        return result
    return one(Method(atom, name)) if name.startswith("__") or "enum" in info.traits else UNKNOWN


def _of_metaclass(frame: Frame, atom: Class, name: str, node: ast.AST) -> Value:
    """An attribute that the class of a class has; nothing where it has none."""
    result = NOTHING
    for current in ancestors(atom.info):
        for meta in current.keywords.get("metaclass", ()):
            if type(meta) is not Class:
                continue
            for item in find_attribute(frame.engine, meta.info, name, frame.activation):
                result |= _bound(frame, item, one(atom), node, meta.info)
            if not result and not name.startswith("__"):
                for item in find_attribute(frame.engine, meta.info, "__getattr__", frame.activation):
                    if type(item) is Function:
                        bound = Function(item.info, item.closure, one(atom))
                        result |= invoke(frame, bound, Arguments([one(Text(name))]), node)
    return result


def _bound(frame: Frame, item: Atom, owner: Value, node: ast.AST, info: ClassInfo) -> Value:
    """An attribute as an instance gives it: functions bound, properties read."""
    if type(item) is not Function or item.bound is not None:
        return _described(frame, item, node)
    function = item.info
    defined = function.owner
    if defined is not info and (defined is None or not derives(info, defined)):
        # An instance attribute that holds a function of elsewhere is not bound; a class attribute would be.
        return one(item)
    kind = function.kind
    if kind == "static":
        return one(item)
    if kind == "class":
        return one(Function(function, item.closure, info.itself))
    if kind == "property":
        return invoke(frame, Function(function, item.closure, owner), Arguments(), node)
    methods = frame.engine.methods
    bound = methods.get((item, owner))
    if bound is None:
        bound = methods[item, owner] = one(Function(function, item.closure, owner))
    return bound


def _described(frame: Frame, item: Atom, node: ast.AST) -> Value:
    """What a class's attribute gives where it is a descriptor of the project; else the attribute."""
    if type(item) is Instance and find_attribute(frame.engine, item.info, "__get__", frame.activation):
        return containers.special(frame, item, "__get__", Arguments([OPAQUE, OPAQUE]), node) or one(item)
    return one(item)


def _is_in_own_run(frame: Frame, info: ClassInfo) -> bool:
    """Whether the code being read stands in the ``run`` of a class, be it in a function made there."""
    activation: Activation | None = frame.activation
    while activation is not None:
        function = activation.function
        if function is not None and function.name == RUN and function.owner is not None:
            return derives(function.owner, info)
        activation = activation.parent
    return False


def of_super(frame: Frame, atom: Super, name: str, node: ast.AST) -> Value:
    """An attribute found above a class."""
    info = atom.info
    if "plugin" in info.traits and name == RUN:
        if _is_in_own_run(frame, info):
            return one(PluginRun(reported=True))
        return plugin_run(frame, Instance(info), node, bound=True)
    for base in ancestors(info)[1:]:
        found = frame.engine.heap.read(base, name, frame.activation)
        if found:
            return NOTHING.union(*(_bound(frame, item, atom.bound, node, info) for item in found))
    return one(Method(atom, name)) if name.startswith("__") else UNKNOWN
