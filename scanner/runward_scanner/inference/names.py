"""What a name says of a value that nothing else is known of."""

from __future__ import annotations

import functools

from runward_scanner.inference.values import Role
from runward_scanner.patterns import Pattern

PLUGIN_ENDS = ("instance", "inst", "object", "obj", "impl")
PLUGIN_CLASS = Pattern(r"(?:.*_)?plugin_?(?:cls|class|type|factory|klass)(?:es)?")
PLUGINS = Pattern(r"(?:.*_)?plugins(?:_by_\w+)?|(?:.*_)?plugin_(?:map|dict|list|instances|cache|table|pool)")
REGISTRY = Pattern(
    r"(?:plugin_?)?registry|plugin_?(?:manager|loader|store|catalog|repository|provider|host)|(?:.*_)?plugin_registry"
)
MAKER = Pattern(
    r"(?:get|load|create|make|build|resolve|find|lookup|look_up|fetch|instantiate|new|acquire|pick|select|choose|obtain"
    r"|require|provide|locate|init|open)_(?:the_)?(?:\w+_)?plugin(?:_instance|_by_\w+|_for|_for_\w+|_or_\w+)?"
)
CLASS_MAKER = Pattern(r"(?:get|load|find|resolve|lookup|import)_(?:\w+_)?plugin_(?:cls|class|type)")
PLUGINS_MAKER = Pattern(r"(?:get|load|list|all|iter|discover|create|make|find)_?(?:\w+_)?plugins")
TOOL_RUNNER = Pattern(r"(?:.*_)?tool_?runner\d*")
SERVICES = {
    Role.ANALYSIS_SERVICE: Pattern(r"(?:.*_)?analysis_(?:execution_)?service"),
    Role.JOB_SERVICE: Pattern(r"(?:.*_)?jobs?_(?:execution_)?service"),
    Role.PLUGIN_SERVICE: Pattern(r"(?:.*_)?plugin_(?:execution_)?service"),
}
CLASS_ENDS = ("cls", "class", "type", "factory", "klass", "es")
PLUGINS_ENDS = ("map", "dict", "list", "instances", "cache", "table", "pool")
REGISTRY_ENDS = ("registry", "manager", "loader", "store", "catalog", "repository", "provider", "host")
"""How what these patterns match ends: most words need no pattern, and a pattern that none needs is not compiled."""
NOT_PLUGINS = Pattern(r"(?:.*_)?(?:pytest|no|has|is|per|use|with)_plugins?")


def _names_plugin(low: str) -> bool:
    """Whether a name ends in ``plugin``, perhaps with what says that it is an object, and with a number."""
    name = low.rstrip("0123456789").removesuffix("_")
    for end in PLUGIN_ENDS:
        if name.endswith(end):
            name = name.removesuffix(end).removesuffix("_")
            break
    return name == "plugin" or name.endswith("_plugin")


@functools.lru_cache(maxsize=4096)
def role_of_name(name: str) -> Role | None:
    """The role that a variable's, attribute's or parameter's name claims."""
    low = name.lower().lstrip("_")
    if "plugin" in low and not (low.endswith(("_plugin", "_plugins")) and NOT_PLUGINS.fullmatch(low)):
        if _names_plugin(low):
            return Role.PLUGIN
        if low.endswith(CLASS_ENDS) and PLUGIN_CLASS.fullmatch(low):
            return Role.PLUGIN_CLASS
        if ("plugins" in low or low.endswith(PLUGINS_ENDS)) and PLUGINS.fullmatch(low):
            return Role.PLUGINS
    if ("regist" in low or "plugin" in low) and low.endswith(REGISTRY_ENDS) and REGISTRY.fullmatch(low):
        return Role.REGISTRY
    if "runner" in low and TOOL_RUNNER.fullmatch(low):
        return Role.TOOL_RUNNER
    if low.endswith("_service"):
        for role, pattern in SERVICES.items():
            if pattern.fullmatch(low):
                return role
    return None


@functools.lru_cache(maxsize=4096)
def role_of_call(name: str) -> Role | None:
    """The role that a function's name claims for what it gives."""
    low = name.lower().lstrip("_")
    if "plugin" not in low:
        return None
    if CLASS_MAKER.fullmatch(low):
        return Role.PLUGIN_CLASS
    if MAKER.fullmatch(low) or low == "plugin":
        return Role.PLUGIN
    if PLUGINS_MAKER.fullmatch(low):
        return Role.PLUGINS
    return None
