"""What names of the project's modules are."""

from __future__ import annotations

from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.names import role_of_call, role_of_name
from runward_scanner.inference.values import UNKNOWN, External, Module, Role, Text, Value, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ModuleInfo


def module_attribute(engine: Engine, frame: Frame, module: ModuleInfo, name: str) -> Value:
    """What a module's attribute is: its global, or a module below it."""
    engine.ensure_module(module)
    found = engine.heap.read(module, name, frame.activation)
    if found:
        return found
    below = engine.project.resolve(f"{module.name}.{name}", module) if module.is_package else None
    if below is not None:
        engine.ensure_module(below)
        return one(Module(below))
    for star in module.stars:
        if value := frame.attribute(star, name, module.tree):
            return value
    getter = engine.heap.read(module, "__getattr__", frame.activation)
    if getter:
        engine.calls += 1
        return engine.call(frame, getter, Arguments([one(Text(name))]), module.tree)
    if module.is_package and engine.project.is_own_name(module.name):
        return engine.own_external(f"{module.name}.{name}")
    return UNKNOWN


def own_external(engine: Engine, path: str) -> Value:
    """What a name of the governed package is, where its file is not given: what its spelling says."""
    name = path.rpartition(".")[2]
    if not name[:1].isupper() or name.isupper():
        role = role_of_name(name) or role_of_call(name)
        if role is not None and role is not Role.PLUGINS and role is not Role.TOOL_RUNNER:
            return one(role) if role is not Role.PLUGIN else UNKNOWN
        return one(External(path))
    settings = engine.settings
    if name == settings.tool_runner_class:
        return one(Role.TOOL_RUNNER_CLASS)
    if name in settings.state_classes:
        return one(Role.STATE_ENUM)
    if name in settings.status_classes:
        return one(Role.STATUS_ENUM)
    if name in settings.plugin_classes or ".builtin." in path:
        return one(Role.PLUGIN_CLASS)
    return UNKNOWN
