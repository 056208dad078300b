"""RWD005: exceptions swallowed around executions, wherever one layer calls the next."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

EXECUTIONS = frozenset(
    {
        "self._analysis.analyze",
        "self._jobs.run_job",
        "self._plugins.execute",
        "self._tool_runner.run",
        "self._pool.run",
        "ToolRunner.run_plugin",
        "self._execute",
        "plugin.run",
    }
)
"""How the layers call each other to run a plugin."""

AROUND = {
    "swallowed-pass": "try:\n{body}\nexcept Exception:\n    pass",
    "swallowed-base": "try:\n{body}\nexcept BaseException:\n    return None",
    "swallowed-log": 'try:\n{body}\nexcept Exception:\n    logging.exception("it failed")',
    "swallowed-bare": "try:\n{body}\nexcept:\n    return {}",
    "swallowed-suppress": "with suppress(Exception):\n{body}",
    "swallowed-finally": "try:\n{body}\nfinally:\n    return None",
}


def executions(source: ServiceSource) -> Iterator[tuple[str, Draft, ast.stmt]]:
    """Every statement that runs a plugin or asks the next layer to."""
    for path in sorted(source.files):
        draft = source.draft(path)
        for statement, call in draft.calls(EXECUTIONS):
            yield f"{draft.owner(statement)}:{ast.unparse(call.func)}", draft, statement


def around(code: str, source: ServiceSource) -> Iterator[Change]:
    """Put something around every execution."""
    for site, draft, statement in executions(source):
        body = "\n".join(f"    {line.strip()}" for line in draft.segment(statement).split("\n"))
        changed = draft.exchanged(statement, code.replace("{body}", body))
        yield site, changed.importing("import logging\nfrom contextlib import suppress")


def gathered(source: ServiceSource) -> Iterator[Change]:
    """Executions whose exceptions are gathered and dropped."""
    gather = "await asyncio.gather({call}, return_exceptions=True)"
    for site, draft, statement in executions(source):
        awaited = [node for node in ast.walk(statement) if isinstance(node, ast.Await)]
        if awaited:
            call = draft.segment(awaited[-1].value)
            yield site, draft.before(statement, gather.replace("{call}", call)).importing("import asyncio")


def without_envelope(source: ServiceSource) -> Iterator[Change]:
    """ToolRunner.run drops an error instead of wrapping it."""
    draft = source.draft("runtime/tool_runner.py")
    run = draft.function("ToolRunner.run")
    handlers = [node for node in ast.walk(run) if isinstance(node, ast.ExceptHandler)]
    for handler in handlers:
        caught = ast.unparse(handler.type) if handler.type else "everything"
        yield f"{caught}: pass", draft.exchanged(handler.body[0], "pass", handler.body[-1])
        yield f"{caught}: no envelope", draft.exchanged(handler.body[0], "envelope = None", handler.body[-1])
        logged = draft.exchanged(handler.body[0], 'logger.exception("it failed")', handler.body[-1])
        yield f"{caught}: a log line", logged
        empty = draft.exchanged(handler.body[0], 'result = b""', handler.body[-1])
        yield f"{caught}: an empty result", empty


SWALLOWING_OPERATORS = (
    *(
        Operator(name, "RWD005", "an exception around an execution swallowed", partial(around, code))
        for name, code in AROUND.items()
    ),
    Operator("swallowed-gather", "RWD005", "exceptions of executions gathered and dropped", gathered),
    Operator("envelope-dropped", "RWD005", "ToolRunner drops an error instead of wrapping it", without_envelope),
)
