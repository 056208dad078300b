"""Imports: which module or name each binds."""

from __future__ import annotations

from runward_scanner.inference.values import UNKNOWN, Module, Value, external, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ModuleInfo


def import_(frame: Frame, node: ast.Import) -> None:
    """``import a.b as c``."""
    for alias in node.names:
        if alias.asname is not None:
            frame.bind(alias.asname, module_value(frame, alias.name), node)
            continue
        value = module_value(frame, alias.name)
        top = alias.name.partition(".")[0]
        frame.bind(top, value if top == alias.name else module_value(frame, top), node)


def import_from(frame: Frame, node: ast.ImportFrom) -> None:
    """``from a import b as c``, relative or not, and ``import *``."""
    full = absolute(frame.module, node)
    base = module_value(frame, full)
    for alias in node.names:
        name = alias.name
        if name == "*":
            frame.module.stars.append(base)
            continue
        value = frame.attribute(base, name, node)
        frame.bind(alias.asname or name, value, node)


def absolute(module: ModuleInfo, node: ast.ImportFrom) -> str:
    """The full name of the module that an import names."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    drop = node.level - (1 if module.is_package else 0)
    kept = parts[: len(parts) - drop] if drop else parts
    if node.module:
        kept = [*kept, node.module]
    return ".".join(kept)


def module_value(frame: Frame, full: str) -> Value:
    """The module with a full name: read first if it is among the files."""
    engine = frame.engine
    if engine.project.is_of_python(full):
        return external(full)
    module = engine.project.resolve(full, frame.module)
    if module is not None:
        engine.ensure_module(module)
        return one(Module(module))
    if engine.project.is_own_name(full):
        return engine.own_external(full)
    return external(full) if full else UNKNOWN
