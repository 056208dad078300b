"""The settings: ``[tool.runward_scanner]`` of the nearest pyproject.toml above the scanned path, else the defaults."""

from __future__ import annotations

import errno
import os
import stat

from runward_scanner.plain_section import plain_section
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, TypeGuard

SECTION = "runward_scanner"


class SettingsError(Exception):
    """Settings that cannot be used; the text says what is wrong and where."""


class Layer(NamedTuple):
    """One layer: its name, the modules in it as patterns, and the layers that it may import beside itself.

    A pattern is a dotted name below the governed root, ``*`` for a part of a component. It may start at any component
    and also matches the modules below, unless it ends with ``$``. The first layer with a pattern that matches counts.
    """

    name: str
    modules: tuple[str, ...]
    may_import: tuple[str, ...]


CHAIN = ("api", "analysis", "jobs", "plugin_execution", "tool_runner", "plugins", "own_plugins")
"""The specification's chain, from the caller to the plugin: one that comes along, or one that lies beside the SDK."""

BELOW = ("registry", "runtime", "store", "reads", "watch", "other")
"""What serves the layers of the chain."""

SUPPORT = ("sdk", "domain", "config")

LAYERS = (
    Layer(
        "serving",
        ("api.server$", "api.main$", "api.app$", "api.__main__$"),
        ("composition", "api", "analysis", "registry", "watch", "reads", "governance", "other", *SUPPORT),
    ),
    Layer(
        "api",
        ("api", "servicers"),
        ("serving", "analysis", "registry", "watch", "reads", "governance", "other", *SUPPORT),
    ),
    Layer(
        "composition",
        ("bootstrap$", "server$", "commands", "cli$", "main$", "__main__$"),
        (*CHAIN, *SUPPORT, *BELOW, "serving", "workers", "governance"),
    ),
    Layer(
        "analysis",
        ("analysis_execution_service", "plugin_catalog"),
        ("jobs", *BELOW, *SUPPORT),
    ),
    Layer("plugin_execution", ("plugin_execution_service",), ("tool_runner", "runtime", "registry", "other", *SUPPORT)),
    Layer(
        "jobs",
        ("job_execution_service", "execution.*"),
        ("plugin_execution", *BELOW, *SUPPORT),
    ),
    Layer("tool_runner", ("tool_runner",), ("plugins", "own_plugins", "workers", *BELOW, *SUPPORT)),
    Layer("workers", ("worker", "worker_*", "host"), ("tool_runner", "runtime", "registry", "other", *SUPPORT)),
    Layer("runtime", ("runtime",), ("other", *SUPPORT)),
    Layer(
        "registry",
        ("registry", "plugin_registry", "loader", "plugin_loader"),
        ("plugins", "own_plugins", "runtime", "store", "reads", "other", *SUPPORT),
    ),
    Layer("sdk", ("plugins.base$", "plugins.guard$", "plugins.imaging$", "plugins$", "sdk"), ("other", "domain")),
    Layer("plugins", ("builtin",), ("sdk", "other", "domain", "config")),
    Layer("own_plugins", ("plugins.*",), ("registry", "runtime", "other", *SUPPORT)),
    Layer("reads", ("job_reader",), ("store", "other", *SUPPORT)),
    Layer("store", ("store",), ("reads", "other", *SUPPORT)),
    Layer("watch", ("watch",), ("store", "reads", "other", *SUPPORT)),
    Layer("governance", ("governance",), ("registry", "store", "reads", "runtime", "other", *SUPPORT)),
    Layer("domain", ("domain",), ("config", "sdk", "other")),
    Layer("config", ("config", "settings"), ("other", "domain")),
    Layer("other", ("*",), (*BELOW, *SUPPORT)),
)


class Settings(NamedTuple):
    """How the governed code is laid out. ``explicit`` where a pyproject.toml names the roots."""

    base: str = os.curdir
    explicit: bool = False
    roots: tuple[str, ...] = ("service/runward_service",)
    exclude: tuple[str, ...] = ()
    sdk: tuple[str, ...] = ("runward_service.plugins",)
    tool_runner_class: str = "ToolRunner"
    tool_runner_files: tuple[str, ...] = ("tool_runner.py",)
    plugin_classes: tuple[str, ...] = ("Plugin", "BasePlugin", "PluginBase")
    state_classes: tuple[str, ...] = ("PluginState", "PluginLifecycleState", "LifecycleState")
    status_classes: tuple[str, ...] = ("JobStatus",)
    api: tuple[str, ...] = ("api",)
    loader: tuple[str, ...] = ("loader", "plugin_loader")
    composition: tuple[str, ...] = ("bootstrap",)
    worker: tuple[str, ...] = ("worker", "*_worker", "worker_main", "worker_host", "worker_child", "host")
    permits: tuple[str, ...] = ("plugins.guard.Permit",)
    """Classes that let a plugin run, which ToolRunner alone may use."""
    outcomes: tuple[str, ...] = ("domain.outcome.Outcome",)
    """Classes of what ends a job, which ToolRunner alone may make."""
    admission: tuple[str, ...] = ("PluginExecutionService.admit",)
    """Methods that a request passes before it becomes a job, and that validate it."""
    layers: tuple[Layer, ...] = LAYERS

    @property
    def sdk_package(self) -> str:
        """The top package that holds the SDK."""
        return self.sdk[0].partition(".")[0]


def load_settings(path: str | Path) -> Settings:
    """Read the nearest pyproject.toml at or above ``path``. Raises SettingsError."""
    folder, above = "", os.path.realpath(path)
    while folder != above:
        folder, above = above, os.path.dirname(above)
        file = os.path.join(folder, "pyproject.toml")
        if _is_file(file):
            return read_settings(file)
    return default_settings(path)


def _is_file(path: str) -> bool:
    """Whether a file is there. Raises OSError where that cannot be told."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise
        return False


def default_settings(path: str | Path) -> Settings:
    """The settings of a path that no pyproject.toml speaks of."""
    start = os.path.realpath(path)
    return Settings(base=start if os.path.isdir(start) else os.path.dirname(start))


def read_settings(file: str) -> Settings:
    """Read one pyproject.toml; without the section it gives the defaults. Raises SettingsError."""
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    section: object = plain_section(text, SECTION)
    if section is None:
        section = _section(file, text)
    base = os.path.dirname(file)
    defaults = Settings(base=base)
    if section is None:
        return defaults
    if not isinstance(section, dict):
        raise SettingsError(f"{file}: [tool.{SECTION}] is not a table")
    known = set(Settings._fields) - {"base", "explicit"}
    changes: dict[str, Any] = {}
    for key, value in section.items():
        name = key.replace("-", "_")
        if name not in known:
            raise SettingsError(f"{file}: [tool.{SECTION}] has no setting {key!r}")
        changes[name] = _setting(file, name, value)
    for root in changes.get("roots", ()):
        if not os.path.exists(os.path.join(base, root)):
            raise SettingsError(f"{file}: the governed root {root} does not exist")
    return defaults._replace(explicit="roots" in changes, **changes)


def _section(file: str, text: str) -> object:
    """The section as TOML has it; None where there is none. Raises SettingsError."""
    import tomllib  # noqa: PLC0415 - most sections are read without it

    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error
    if not isinstance(tool, dict):
        raise SettingsError(f"{file}: tool is not a table")
    return tool.get(SECTION)


def _setting(file: str, name: str, value: object) -> object:
    """Check one setting and give it in the form that Settings holds. Raises SettingsError."""
    if name == "tool_runner_class":
        if isinstance(value, str) and value.isidentifier():
            return value
        raise SettingsError(f"{file}: {name} is not the name of a class")
    if name == "layers":
        return _layers(file, value)
    if not _is_names(value):
        raise SettingsError(f"{file}: {name} is not a list of strings")
    if name in {"roots", "sdk"} and not value:
        raise SettingsError(f"{file}: {name} is empty, so that nothing would be governed")
    return tuple(value)


def _is_names(value: object) -> TypeGuard[list[str]]:
    """Whether a value is a list of strings, none of them empty."""
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _layers(file: str, value: object) -> tuple[Layer, ...]:
    """Read the layers. Raises SettingsError where one is malformed, doubled, or imports one that does not exist."""
    if not isinstance(value, list) or not value:
        raise SettingsError(f"{file}: layers is not an array of tables")
    layers = [_layer(file, item) for item in value]
    names = [layer.name for layer in layers]
    if len(set(names)) != len(names):
        raise SettingsError(f"{file}: a layer stands twice in layers")
    for layer in layers:
        if unknown := set(layer.may_import) - set(names):
            raise SettingsError(f"{file}: layer {layer.name!r} may import {sorted(unknown)}, which are no layers")
    return tuple(layers)


def _layer(file: str, item: object) -> Layer:
    """Read one layer. Raises SettingsError."""
    if not isinstance(item, dict) or not isinstance(name := item.get("name"), str) or "modules" not in item:
        raise SettingsError(f"{file}: a layer needs a name and modules")
    if unknown := set(item) - set(Layer._fields):
        raise SettingsError(f"{file}: layer {name!r} has {sorted(unknown)}, which no layer has")
    lists = (item["modules"], item.get("may_import", []))
    if not all(map(_is_names, lists)) or not lists[0]:
        raise SettingsError(f"{file}: the modules of layer {name!r}, or what it may import, are not lists of strings")
    return Layer(name, *map(tuple, lists))
