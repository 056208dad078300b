"""Validation before a job is accepted, on every way through what admits requests."""

from __future__ import annotations

import ast

from runward_scanner.finding import Finding, Step
from runward_scanner.flow.paths import Walk
from runward_scanner.inference.reporting import place_of
from runward_scanner.patterns import ends_with
from runward_scanner.rules.execution import Methods
from runward_scanner.rules.validation import START, Effects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ClassInfo


def check(engine: Engine, code: str) -> Iterator[Finding]:
    """Report methods that admit requests, by the settings, and may end without having asked a validator."""
    patterns = engine.settings.admission
    names = {pattern.rpartition(".")[2].removesuffix("$") for pattern in patterns}
    for info in engine.classes.values():
        if not info.module.governed or "protocol" in info.traits:
            continue
        for method in info.node.body:
            if (
                (type(method) is ast.FunctionDef or type(method) is ast.AsyncFunctionDef)
                and method.name in names
                and ends_with(patterns, f"{info.module.local}.{info.qualname}.{method.name}")
            ):
                yield from _check_method(engine, code, info, method)


def _check_method(
    engine: Engine, code: str, info: ClassInfo, method: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[Finding]:
    ways = Walk(Effects(engine, Methods(engine, info), method)).body(method.body, START)
    if any("checked" not in state for state in (*ways.normal, *ways.returned)):
        name = f"{info.name}.{method.name}"
        step = Step(place_of(info.module, method), name)
        what = f"{name}: a request is admitted without its input having been validated on every path"
        yield Finding(place_of(info.module, method), code, what, (step,))
