"""Findings in the code that is read: where they stand, and which calls led there."""

from __future__ import annotations

from runward_scanner.finding import Finding, Place, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from runward_scanner.inference.model import Activation, ModuleInfo


def finding_at(
    reading: Activation, node: ast.AST, code: str, message: str, steps: Iterable[Step] = ()
) -> Finding | None:
    """A finding in what is read, or at the governed call that led there; None where none did."""
    trail = list(steps)
    activation: Activation | None = reading
    module, at = reading.module, node
    while activation is not None and not module.governed:
        if activation.caller is None:
            return None
        trail.append(Step(place_of(module, at), "which does it here"))
        activation, at = activation.caller
        module = activation.module
    calls = list(_calls(reading))
    return Finding(place_of(module, at), code, message, tuple(calls + trail))


def _calls(activation: Activation) -> Iterable[Step]:
    """The calls that led to an activation with these arguments, outermost first."""
    steps: list[Step] = []
    current: Activation | None = activation
    while current is not None and current.caller is not None and len(steps) < 12:
        caller, node = current.caller
        name = current.function.name if current.function else current.module.name
        steps.append(Step(place_of(caller.module, node), f"{name}() is called here with it"))
        current = caller
    return reversed(steps)


def place_of(module: ModuleInfo, node: ast.AST) -> Place:
    """Where a node of a module stands, columns in characters."""
    line = getattr(node, "lineno", 1)
    column = getattr(node, "col_offset", 0)
    end = getattr(node, "end_col_offset", column) if getattr(node, "end_lineno", line) == line else -1
    lines = module.source.lines
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if not text.isascii():
        raw = text.encode()
        column = len(raw[:column].decode(errors="replace"))
        end = len(raw[:end].decode(errors="replace")) if end >= 0 else end
    return Place(module.source.shown, line, column, end if end >= 0 else len(text))
