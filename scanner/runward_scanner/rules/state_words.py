"""Which words may be a plugin's lifecycle state, and which values are one or keep one."""

from __future__ import annotations

import ast
import functools

from runward_scanner.inference.values import Class, Instance, Role, Value
from runward_scanner.patterns import Pattern, ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo

PLUGIN, STATE, STATE_ENUM, STATUS = Role.PLUGIN, Role.STATE, Role.STATE_ENUM, Role.STATUS
STATES = frozenset({"LOADED", "INITIALIZED", "RUNNING", "FAILED", "UNAVAILABLE"})
STATES_OR_NONE = STATES | {"", "PLUGIN_STATE_UNSPECIFIED"}
OUTCOMES = frozenset({"SUCCESS", "ERROR"})
STATE_NAMES = frozenset(
    f"{owner}{tie}state" for owner in ("plugin", "lifecycle", "plugin_lifecycle") for tie in ("", "_")
)
STATES_HELD = Pattern(r"_*(?:plugin|lifecycle)_?states?")
"""What a mapping from plugins to their states is called; ``states`` alone, where plugins are kept."""
is_loose_name = ending("state", "state_")
PROTO = Pattern(r"PLUGIN_STATE_([A-Z]+)")
ENUM_OWN = frozenset({"__members__", "name", "value", "_ignore_", "_generate_next_value_", "_missing_", "_order_"})


@functools.lru_cache(maxsize=8192)
def is_state_name(word: str) -> bool:
    """Whether a lower-case word is a name of a lifecycle state, perhaps with ``_`` around it."""
    return word.lstrip("_").removesuffix("_") in STATE_NAMES


def is_word(text: str) -> bool:
    """Whether a string could name a state: one word in one case."""
    return text.isidentifier() and (text.isupper() or text.islower())


@functools.lru_cache(maxsize=8192)
def is_wrong_word(text: str) -> bool:
    """Whether a string could name a state and names none."""
    return is_word(text) and wrong(text)


def wrong(text: str) -> bool:
    """Whether a word names no lifecycle state."""
    word = text.upper()
    return word not in STATES_OR_NONE and word.removeprefix("PLUGIN_STATE_") not in STATES_OR_NONE


def is_outcome(text: str) -> bool:
    """Whether a word is a metrics outcome."""
    return text.upper().removeprefix("PLUGIN_STATE_") in OUTCOMES


def is_state_enum(value: Iterable[object]) -> bool:
    """Whether a value may be the enum of lifecycle states."""
    for atom in value:  # noqa: SIM110 - a generator takes twice the time, and this is asked of every attribute
        if atom is STATE_ENUM or (type(atom) is Class and "state" in atom.info.traits):
            return True
    return False


def is_state(value: Value) -> bool:
    """Whether a value may be a lifecycle state."""
    for atom in value:  # noqa: SIM110 - as above
        if atom is STATE or (type(atom) is Instance and "state" in atom.info.traits):
            return True
    return False


def is_status_enum(value: Value) -> bool:
    """Whether a value may be the enum of job statuses."""
    return any(atom is Role.STATUS_ENUM or (type(atom) is Class and "status" in atom.info.traits) for atom in value)


def is_plugin_like(value: Value) -> bool:
    """Whether a value may be a plugin or what keeps its state."""
    return any(
        atom in {Role.PLUGIN, Role.PLUGIN_CLASS, Role.REGISTRY}
        or (
            (type(atom) is Instance or type(atom) is Class)
            and ("plugin" in atom.info.traits or keeps_state(atom.info.name))
        )
        for atom in value
    )


def keeps_state(name: str) -> bool:
    """Whether a class of that name keeps plugins' states: it is about plugins, and about nothing else of them."""
    low = name.lower()
    return "plugin" in low and not low.endswith(OTHERS)


OTHERS = (
    "channel", "client", "connection", "error", "host", "job", "pool", "process", "request", "response", "service",
    "servicer", "session", "slot", "task", "thread", "worker",
)  # fmt: skip
"""What has states of its own, though it is a plugin's."""


KEEPERS = Pattern(
    r"(?:.*\.)?(?:\w*lifecycle\w*|(?:\w*_)?(?:in_?memory|memory|local|default|base|abstract|state|simple)?_?registry)"
)
"""Classes and modules that keep plugins' states: registries, unless they are named for something else."""


@functools.lru_cache(maxsize=4096)
def keeps_plugins(owner: str) -> bool:
    """Whether a class or a module keeps plugins' states, by its name in lower case."""
    named = "lifecycle" in owner or owner.endswith("registry")  # else nothing need be compiled
    return keeps_state(owner) or (named and KEEPERS.fullmatch(owner) is not None)


def outcomes_of(value: Value) -> list[str]:
    """The word to report where a job's status, or a member of an enum of outcomes, stands for a lifecycle state."""
    for atom in value:
        if atom is STATUS:
            return ["SUCCESS"]
        if type(atom) is Instance and is_counted(atom.info):
            return ["SUCCESS"]
    return []


def is_counted(info: ClassInfo) -> bool:
    """Whether a class is the enum of job statuses, or one of metrics' outcomes."""
    traits = info.traits
    if not traits:
        return False
    return "state" not in traits and ("status" in traits or ("enum" in traits and bool(_outcomes(info))))


def _outcomes(info: ClassInfo) -> frozenset[str]:
    """The words of metrics among an enum's members."""
    if info.outcomes is None:
        info.outcomes = OUTCOMES.intersection(name for name, _, _ in members(info))
    return info.outcomes


def makes_lifecycle(words: Iterable[str]) -> bool:
    """Whether words that stand together are meant to be the lifecycle's."""
    known = STATES.intersection(words)
    return {"INITIALIZED", "UNAVAILABLE"} <= known or len(known) >= 4


def holds_states(frame: Frame, node: ast.expr) -> bool:
    """Whether an expression is a mapping from plugins to their states, by its name and by whose it is."""
    name = last_name(node)
    if "state" in name and ("plugin" in name or "lifecycle" in name) and STATES_HELD.fullmatch(name):
        return True
    if name.lstrip("_") != "states":
        return False
    receivers = frame.engine.receivers.get(node, frozenset())
    if Role.REGISTRY in receivers:
        return True
    owners = [info.name.lower() for info in frame.inside] or [frame.module.name.lower()]
    owners += [atom.info.name.lower() for atom in receivers if type(atom) is Instance]
    return any(map(keeps_plugins, owners))


def last_name(node: ast.AST) -> str:
    """The name that a name or an attribute ends in; empty for anything else."""
    return node.attr if type(node) is ast.Attribute else node.id if type(node) is ast.Name else ""


def named_class(frame: Frame, node: ast.expr) -> Value:
    """The class that a plain annotation names."""
    if type(node) is ast.Constant and isinstance(node.value, str) and node.value.isidentifier():
        return frame.lookup(node.value)
    return frame.value(node) if (type(node) is ast.Name or type(node) is ast.Attribute) else frozenset()


def members(info: ClassInfo) -> Iterator[tuple[str, ast.AST, ast.expr | None]]:
    """The names that an enum's body assigns."""
    for statement in info.node.body:
        if type(statement) is ast.Assign:
            for target in statement.targets:
                for name in target.elts if type(target) is ast.Tuple else [target]:
                    if type(name) is ast.Name and not name.id.startswith("_"):
                        yield name.id, statement, statement.value
        elif type(statement) is ast.AnnAssign and type(statement.target) is ast.Name and statement.value is not None:
            yield statement.target.id, statement, statement.value
