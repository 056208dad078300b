"""What a condition that holds says of a name."""

from __future__ import annotations

import ast

from runward_scanner.inference.annotations import instance_of
from runward_scanner.inference.containers import contents
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE_ROLE,
    PLUGIN_ROLE,
    UNKNOWN,
    Class,
    Container,
    Instance,
    Role,
    Text,
    Thing,
    Value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame

TEXTS = frozenset({Role.EXCEPTION_TEXT, Role.FAULT_TEXT, Role.TRACEBACK, Role.COMPUTED})
ENVELOPE = frozenset({"error", "_internal"})
"""The keys of an envelope."""
NARROWING = frozenset({ast.UnaryOp, ast.BoolOp, ast.Call, ast.Compare})


def narrow(frame: Frame, test: ast.expr, holds: bool) -> None:
    """Let the names in a condition be what they are where it holds, or where it does not."""
    if type(test) not in NARROWING:
        return
    if type(test) is ast.Compare:
        operator = type(test.ops[0])
        if operator is ast.In or operator is ast.NotIn:
            _narrow_keys(frame, test, holds is (operator is ast.In))
            return
        if not (holds and type(test.left) is ast.Call):
            return
        if not ((operator is ast.Is or operator is ast.Eq) and _asks_type(test.left)):
            return
        # ``type(x) is Class`` says of x what ``isinstance`` does.
        asked = ast.Call(ast.Name("isinstance", ast.Load()), [test.left.args[0], test.comparators[0]], [])
        _narrow_instance(frame, ast.copy_location(asked, test), holds)
    elif type(test) is ast.Call:
        function = test.func
        if type(function) is ast.Name and function.id in {"isinstance", "issubclass"} and len(test.args) == 2:
            _narrow_instance(frame, test, holds)
    elif type(test) is ast.UnaryOp:
        if type(test.op) is ast.Not:
            narrow(frame, test.operand, not holds)
    elif type(test) is ast.BoolOp:
        for operand in test.values if (type(test.op) is ast.And) is holds else _decisive(test, holds):
            narrow(frame, operand, holds)


def _decisive(test: ast.BoolOp, holds: bool) -> list[ast.expr]:
    """The operand on which it hangs that an ``and`` does not hold: beside it, only whether it is a dict is asked."""
    others = [item for item in test.values if not _asks_for_dict(item)]
    return others if len(others) == 1 < len(test.values) and not holds else []


def _asks_for_dict(test: ast.expr) -> bool:
    """Whether a condition is ``isinstance(x, dict)``."""
    return (
        type(test) is ast.Call
        and getattr(test.func, "id", "") == "isinstance"
        and len(test.args) == 2
        and getattr(test.args[1], "id", getattr(test.args[1], "attr", "")) in {"dict", "Mapping"}
    )


def _narrow_keys(frame: Frame, test: ast.Compare, holds: bool) -> None:
    """``"error" in x``: where it does not hold, x is no envelope."""
    subject, key = test.comparators[0], test.left
    if holds or not (type(subject) is ast.Name and type(key) is ast.Constant and key.value in ENVELOPE):
        return
    current = frame.env.get(subject.id)
    if current and Container in map(type, current):
        heap = frame.engine.heap
        kept = [atom for atom in current if type(atom) is not Container or not heap.is_written(atom, f"={key.value}")]
        frame.env[subject.id] = frozenset(kept) or UNKNOWN


def _asks_type(node: ast.expr) -> bool:
    """Whether an expression is ``type(x)``."""
    named = type(node) is ast.Call and type(node.func) is ast.Name and node.func.id == "type"
    return named and len(node.args) == 1  # type: ignore[attr-defined]


def _narrow_instance(frame: Frame, test: ast.Call, holds: bool) -> None:
    subject = test.args[0]
    if type(subject) is ast.NamedExpr:
        subject = subject.target
    if type(subject) is not ast.Name:
        return
    classes = frame.value(test.args[1])
    for atom in classes:
        if type(atom) is Container:
            classes |= contents(frame, atom)
    of_class = type(test.func) is ast.Name and test.func.id == "issubclass"
    if of_class:
        claimed: Value = frozenset(atom for atom in classes if type(atom) is Class or atom is Role.PLUGIN_CLASS)
    else:
        claimed = NOTHING.union(*(instance_of(frame, atom, test) for atom in classes)) - UNKNOWN
    current = frame.value(subject)
    if holds and claimed:
        frame.env[subject.id] = _kept(current, claimed)
    elif not holds and claimed and not of_class:
        rest = frozenset(atom for atom in current if atom not in claimed and not _plugin_both(atom, claimed))
        frame.env[subject.id] = rest or frozenset({OPAQUE_ROLE})


def _kept(current: Value, claimed: Value) -> Value:
    """What a value is once it is known to be an instance of these: its own atoms where they can be, else theirs."""
    if any(type(atom) is Thing and atom.path == "builtins.str" for atom in claimed):
        worded = frozenset(atom for atom in current if type(atom) is Text or atom in TEXTS)
        if worded:
            return worded
    specific = frozenset(atom for atom in current if (type(atom) is Instance or type(atom) is Role) and atom in claimed)
    exact = frozenset(
        atom
        for atom in current
        if type(atom) is Instance and any(type(other) is Instance and other.info in _line(atom) for other in claimed)
    )
    return specific | exact or claimed


def _line(atom: Instance) -> list[object]:
    from runward_scanner.inference.classes import ancestors  # noqa: PLC0415 - only narrowing to a class needs it

    return list(ancestors(atom.info))


def _plugin_both(atom: object, claimed: Value) -> bool:
    """Whether an atom that a name alone claims to be a plugin is excluded by ``not isinstance(x, Plugin)``."""
    plugin = any((type(item) is Instance and "plugin" in item.info.traits) or item is PLUGIN_ROLE for item in claimed)
    return plugin and (atom is PLUGIN_ROLE or (type(atom) is Instance and "plugin" in atom.info.traits))
