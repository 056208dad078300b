"""Functions of the standard library that take or make attributes, classes and modules by what they are called."""

from __future__ import annotations

from runward_scanner.inference import containers
from runward_scanner.inference.tables import ENTRY_POINTS
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Class,
    Function,
    Globals,
    Namespace,
    Role,
    Super,
    Text,
    Thing,
    Value,
    one,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame


def getattr_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``getattr`` in its spellings."""
    found = frame.engine.dynamic_attribute(frame, arguments.at(0), arguments.at(1), node)
    return found | (arguments.at(2) - OPAQUE)


def setattr_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``setattr`` in its spellings."""
    frame.engine.dynamic_put(frame, arguments.at(0), arguments.at(1), arguments.at(2), node)
    return OPAQUE


def delattr_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``delattr``."""
    for name in texts(arguments.at(1)) or ["*"]:
        frame.engine.hook_store(frame, node, arguments.at(0), name, NOTHING)
    return OPAQUE


def vars_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``vars``."""
    if arguments.positional:
        return one(Namespace(arguments.at(0)))
    return one(Globals(frame.module)) if frame.is_module else locals_(frame, path, arguments, node)


def locals_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``locals``."""
    if frame.is_module:
        return one(Globals(frame.module))
    if frame.class_info is not None:
        return one(Namespace(frame.class_info.itself))
    frame.keeps = False
    return containers.make_dict(frame, [(one(Text(name)), value) for name, value in frame.env.items()], node)


def globals_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``globals``."""
    return one(Globals(frame.module))


def type_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``type``, which tells a class or makes one."""
    if len(arguments.positional) >= 3:
        bases = containers.elements(frame, arguments.at(1), node)
        frame.engine.hook_type(frame, node, arguments)
        plugin = any(a is Role.PLUGIN_CLASS or (type(a) is Class and "plugin" in a.info.traits) for a in bases)
        return one(Role.PLUGIN_CLASS) if plugin else UNKNOWN
    return frame.engine.classes_of(arguments.at(0))


def super_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``super``."""
    owner = frame.inside[0] if frame.inside else None
    for atom in arguments.at(0):
        if type(atom) is Class:
            owner = atom.info
    if owner is None:
        return UNKNOWN
    first = arguments.at(1)
    if not first and frame.function is not None and frame.function.node.args.args:
        first = frame.lookup(frame.function.node.args.args[0].arg)
    return one(Super(owner, first or owner.instance))


def new(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``object.__new__(cls)``."""
    found = NOTHING
    for atom in arguments.at(0):
        if type(atom) is Class:
            frame.engine.hook_construct(frame, node, atom.info, arguments.after(1))
            found |= atom.info.exact_instance
    return found or UNKNOWN


def members(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``inspect.getmembers``."""
    return frame.engine.every_attribute(frame, arguments.at(0), node, pairs=True)


def property_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``property`` as a call."""
    for atom in arguments.at(0):
        if type(atom) is Function:
            atom.info.kind = "property"
            frame.engine.forget_derived()
    return arguments.at(0)


def import_module(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``importlib.import_module``."""
    return frame.engine.dynamic_import(frame, path, arguments, node)


def entry_points(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """Entry points; those of plugins are known by their group."""
    named = texts(arguments.every())
    return one(Role.ENTRY_POINTS) if any("plugin" in name for name in named) else one(Thing(ENTRY_POINTS, None, None))


def loaded_module(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``sys.modules.get(name)``."""
    return frame.engine.named_modules(frame, arguments.at(0), node) | arguments.at(1)


def located(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``pydoc.locate`` and ``pkgutil.resolve_name``: what a dotted name stands for."""
    found = NOTHING
    for text in texts(arguments.at(0)):
        module, colon, inner = text.partition(":") if ":" in text else text.rpartition(".")
        value = frame.engine.named_modules(frame, one(Text(module if colon else text)), node)
        for name in inner.split(".") if colon and inner else ():
            value = frame.attribute(value, name, node)
        found |= value
    return found or UNKNOWN
