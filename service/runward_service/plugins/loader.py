"""Finding plugins, and loading one in its worker. The one place that imports by a computed name."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from runward_service.domain.canary_input import CanaryInput
from runward_service.domain.errors import GovernedError
from runward_service.domain.plugin_description import PLUGIN_NAME, PluginDescription
from runward_service.plugins.base import Payload, Plugin
from runward_service.plugins.small_pictures import small_picture
from runward_service.runtime.mime import admits
from runward_service.runtime.plugin_code import ModelMissing, PluginCode
from runward_service.runtime.validation import validate_output

if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRY_POINT_GROUP = "runward.plugins"
MIN_MEMORY_BYTES = 32 * 1024 * 1024
MAX_TEXT = 2_000
MAX_CANARY_BYTES = 1024 * 1024


class PluginUnusable(Exception):  # noqa: N818 - the word that operators read
    """The plugin cannot be loaded; the message tells why, for operators."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where a plugin is: ``target`` is "module:Class"; ``name`` what it must be called, empty where only it knows."""

    target: str
    name: str = ""

    @property
    def placeholder(self) -> str:
        """What to call it until its worker has described it."""
        return self.name or self.target


def discover(named: Iterable[str], *, installed: bool) -> list[PluginSource]:
    """The plugins named as "module:Class", and, if asked, those that installed distributions offer. Imports none of
    them.
    """
    sources = [PluginSource(target) for target in dict.fromkeys(named)]
    if installed:
        found = {point.value: point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
        sources += [PluginSource(target, name) for target, name in found.items() if PluginSource(target) not in sources]
    return sources


def load_plugin_class(target: str) -> type[Plugin]:
    """Import "module:Class". Worker processes alone do this. Raises PluginUnusable."""
    module_name, _, class_name = target.partition(":")
    if not module_name or not class_name:
        raise PluginUnusable(f"{target!r} is not of the form module:Class")
    try:
        loaded: object = importlib.import_module(module_name)
        for part in class_name.split("."):
            loaded = getattr(loaded, part)
    except BaseException as error:
        raise PluginUnusable(f"{target} cannot be imported: {told(error)}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Plugin)):
        raise PluginUnusable(f"{target} is not a subclass of runward_service.plugins.Plugin")
    if inspect.isabstract(loaded):
        raise PluginUnusable(f"{target} does not define run")
    return loaded


def told(error: BaseException) -> str:
    """What may be told of an error while a plugin is loaded: the text of one that names code; of others, whose texts
    may hold secrets, the type alone.
    """
    if isinstance(error, ImportError | SyntaxError | AttributeError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__} (the server's log has the traceback)"


def describe(plugin_class: type[Plugin]) -> PluginDescription:
    """What a plugin's class declares, checked. Raises PluginUnusable naming the attribute that is wrong."""
    name = getattr(plugin_class, "name", None)
    if not isinstance(name, str) or not PLUGIN_NAME.match(name):
        raise PluginUnusable(f"{plugin_class.__name__}.name must be lower-case letters, digits and '_', not {name!r}")
    _check_retry_on(plugin_class)
    return PluginDescription(
        name=name,
        version=_text(plugin_class, "version"),
        description=_text(plugin_class, "description"),
        mime_types=_mime_types(plugin_class),
        options_schema=_schema(plugin_class),
        timeout=_number(plugin_class, "timeout", 0.001, 86_400.0),
        memory_bytes=int(_number(plugin_class, "memory_bytes", MIN_MEMORY_BYTES, 2**50)),
        concurrency=int(_number(plugin_class, "concurrency", 1, 1_000)),
        max_attempts=int(_number(plugin_class, "max_attempts", 1, 100)),
        cacheable=_cacheable(plugin_class),
        deterministic=bool(plugin_class.deterministic),
        setup_timeout=_number(plugin_class, "setup_timeout", 0.001, 86_400.0),
        code_digest=_code_digest(plugin_class),
        canary=_canary(plugin_class),
    )


def _code_digest(plugin_class: type[Plugin]) -> str:
    """The digest of all that the plugin's answers follow from beside its input; empty for code without a file."""
    models: object = plugin_class.model_files
    if not isinstance(models, tuple | list) or not all(isinstance(path, str) and path for path in models):
        raise PluginUnusable(f"{plugin_class.__name__}.model_files must be a tuple of paths")
    required = plugin_class.requires.values() if isinstance(plugin_class.requires, dict) else ()
    target = f"{plugin_class.__module__}:{plugin_class.__qualname__}"
    code = PluginCode(target, plugin_class.__module__, plugin_class.version, tuple(models), tuple(map(str, required)))
    try:
        return code.digest()
    except ModelMissing as error:
        raise PluginUnusable(f"{plugin_class.__name__}: {error}") from error
    except (OSError, ValueError) as error:  # or a file's name is no text
        raise PluginUnusable(f"{plugin_class.__name__}: its code cannot be read: {error}") from error


def absent_requirements(plugin_class: type[Plugin]) -> str:
    """Why the plugin lacks what it requires and how to install it; empty when it lacks nothing."""
    if not isinstance(plugin_class.requires, dict):
        raise PluginUnusable(f"{plugin_class.__name__}.requires must be a dict of modules and their distributions")
    absent = [dist for module, dist in plugin_class.requires.items() if not _is_installed(module)]
    if not absent:
        return ""
    command = plugin_class.install_hint or f"pip install {' '.join(absent)}"
    verb = "is" if len(absent) == 1 else "are"
    return f"{', '.join(absent)} {verb} not installed. Install: {command}"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _text(plugin_class: type[Plugin], attribute: str) -> str:
    value = getattr(plugin_class, attribute)
    if not isinstance(value, str) or len(value) > MAX_TEXT or not _encodes(value):
        raise PluginUnusable(f"{plugin_class.__name__}.{attribute} must be a str of at most {MAX_TEXT} characters")
    return value


def _encodes(text: str) -> bool:
    """Whether a text is without lone surrogates, which no message can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mime_types(plugin_class: type[Plugin]) -> tuple[str, ...]:
    value: object = plugin_class.mime_types
    if not isinstance(value, tuple | list) or not value or not all(isinstance(v, str) and "/" in v for v in value):
        raise PluginUnusable(f"{plugin_class.__name__}.mime_types must be a tuple of types such as 'image/png'")
    if not all(map(_encodes, value)):
        raise PluginUnusable(f"{plugin_class.__name__}.mime_types hold what is no text")
    return tuple(item.lower() for item in value)


def _schema(plugin_class: type[Plugin]) -> dict[str, object]:
    value = plugin_class.options_schema
    if not isinstance(value, dict):
        raise PluginUnusable(f"{plugin_class.__name__}.options_schema must be a dict")
    try:
        validate_output(value)
    except GovernedError as error:
        problem = error.message.replace("The plugin's output", "it")
        raise PluginUnusable(f"{plugin_class.__name__}.options_schema does not fit JSON: {problem}") from error
    return value


def _cacheable(plugin_class: type[Plugin]) -> bool:
    if plugin_class.cacheable and not plugin_class.deterministic:
        raise PluginUnusable(f"{plugin_class.__name__} is cacheable, and so must be deterministic")
    return bool(plugin_class.cacheable)


def _check_retry_on(plugin_class: type[Plugin]) -> None:
    value: object = plugin_class.retry_on
    if not isinstance(value, tuple) or not all(isinstance(v, type) and issubclass(v, Exception) for v in value):
        raise PluginUnusable(f"{plugin_class.__name__}.retry_on must be a tuple of exception classes, not {value!r}")


def _canary(plugin_class: type[Plugin]) -> CanaryInput | None:
    """What a canary run runs on: what the plugin declares, else a picture of the first of its types that has one."""
    value: object = plugin_class.canary
    if value is None:
        return small_picture(_mime_types(plugin_class))
    if not isinstance(value, Payload) or not isinstance(value.image, bytes):
        raise PluginUnusable(f"{plugin_class.__name__}.canary must be a Payload with the bytes of an image")
    if not 0 < len(value.image) <= MAX_CANARY_BYTES:
        raise PluginUnusable(f"{plugin_class.__name__}.canary must hold 1 to {MAX_CANARY_BYTES} bytes")
    parts: tuple[object, object] = (value.options, value.mime_type)
    if not isinstance(parts[0], Mapping) or not isinstance(parts[1], str):
        raise PluginUnusable(f"{plugin_class.__name__}.canary must have a mime_type and a dict of options")
    mime_type = value.mime_type.lower()
    if not any(admits(pattern, mime_type) for pattern in _mime_types(plugin_class)):
        raise PluginUnusable(f"{plugin_class.__name__}.canary is {mime_type}, which the plugin does not take")
    options = dict(value.options)
    try:
        validate_output(options)
    except GovernedError as error:
        raise PluginUnusable(f"{plugin_class.__name__}.canary has options that do not fit JSON") from error
    return CanaryInput(value.image, mime_type, options, declared=True)


def _number(plugin_class: type[Plugin], attribute: str, least: float, most: float) -> float:
    value = getattr(plugin_class, attribute)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not least <= value <= most:
        raise PluginUnusable(f"{plugin_class.__name__}.{attribute} must be from {least} to {most}, not {value!r}")
    return float(value)
