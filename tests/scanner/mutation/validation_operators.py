"""RWD005: validation of input and output removed, moved, emptied or made to depend on something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator
from tests.scanner.mutation.sites import SITES, Site

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

RUNNER = "runtime/tool_runner.py"
VALIDATION = "runtime/validation.py"

CALLS = {
    "input in ToolRunner.run": (RUNNER, "ToolRunner.run", "self._validate_input("),
    "input in ToolRunner._validate_input": (RUNNER, "ToolRunner._validate_input", "entry.validator.validate("),
    "output in ToolRunner.run": (RUNNER, "ToolRunner.run", "validate_encoded("),
    "output in ToolRunner.run_plugin": (RUNNER, "ToolRunner.run_plugin", "validate_output("),
    "input in PluginExecutionService.admit": (
        "execution/plugin_execution_service.py",
        "PluginExecutionService.admit",
        "entry.validator.validate(",
    ),
}
"""Where the service validates: file, function, the call."""

WEAKENED = {
    "behind a condition": 'if job.labels.get("strict"):\n    {call}',
    "unless quick": 'if not job.options.get("quick"):\n    {call}',
    "in one arm": "if job.priority > 0:\n    {call}\nelse:\n    pass",
    "by and": "job.labels and {call}",
    "in a loop over nothing": "for _ in job.labels:\n    {call}",
    "its refusal swallowed": "try:\n    {call}\nexcept GovernedError:\n    pass",
    "its refusal suppressed": "with suppress(GovernedError):\n    {call}",
    "its refusal logged": 'try:\n    {call}\nexcept GovernedError:\n    logger.warning("refused")',
    "in a function nobody calls": "def check() -> None:\n    {call}",
    "in a lambda": "check = lambda: {call}",
    "taken, not called": "{function}",
    "in an assert": "assert {call} is None",
    "scheduled": "asyncio.get_running_loop().call_soon({function})",
}


def place(source: ServiceSource, name: str) -> tuple[Draft, ast.stmt]:
    """One of the validating calls, by its name in CALLS."""
    path, function, written = CALLS[name]
    draft = source.draft(path)
    return draft, draft.statement(draft.function(function), written)


def removed(source: ServiceSource) -> Iterator[Change]:
    """The call is gone."""
    for name in CALLS:
        draft, call = place(source, name)
        yield name, draft.exchanged(call, "pass")


def weakened(source: ServiceSource) -> Iterator[Change]:
    """The input is validated on some ways only, or the refusal has no effect."""
    draft, call = place(source, "input in ToolRunner.run")
    written = draft.segment(call)
    for site, code in WEAKENED.items():
        changed = code.replace("{call}", written).replace("{function}", "self._validate_input")
        yield site, draft.exchanged(call, changed).importing("import asyncio\nfrom contextlib import suppress")


OUTPUT_WEAKENED = {
    "behind a condition": "if context.attempt > 1:\n    {call}",
    "another value": "validate_output({})",
    "a copy's keys": "validate_output(dict.fromkeys(output))",
    "its refusal swallowed": "try:\n    {call}\nexcept GovernedError:\n    pass",
    "its refusal answered": "try:\n    {call}\nexcept GovernedError:\n    return output",
    "left before": 'if payload.options.get("quick"):\n    return output\n{call}',
    "in a function nobody calls": "def check() -> None:\n    {call}",
    "changed afterwards": "{call}\noutput = plugin.run(payload, context)",
}


def output_weakened(source: ServiceSource) -> Iterator[Change]:
    """The output is validated on some ways only, or another one."""
    draft, call = place(source, "output in ToolRunner.run_plugin")
    for site, code in OUTPUT_WEAKENED.items():
        yield site, draft.exchanged(call, code.replace("{call}", draft.segment(call)))


def moved(source: ServiceSource) -> Iterator[Change]:
    """A validation stands on the wrong side of the run."""
    draft, call = place(source, "input in ToolRunner.run")
    handed = draft.statement(draft.function("ToolRunner.run"), "self._pool.run(")
    yield "input after the run", draft.after(handed, draft.segment(call)).exchanged(call, "pass")
    after_finally = draft.statement(draft.function("ToolRunner.run"), "end_us = now_us()")
    yield (
        "input after the finally",
        draft.before(after_finally, "self._validate_input(self._registry.get(job.plugin), job)").exchanged(
            call, "pass"
        ),
    )
    worker, checked = place(source, "output in ToolRunner.run_plugin")
    output = worker.statement(worker.function("ToolRunner.run_plugin"), "plugin.run(")
    before = f"output = {{}}\n{worker.segment(checked)}\n{worker.segment(output)}"
    yield "output before the run", worker.exchanged(output, before, checked)
    direct = "return plugin.run(payload, context)"
    yield "output returned at once", worker.before(output, direct)


def emptied(source: ServiceSource) -> Iterator[Change]:
    """A validator that is called and checks nothing, or less."""
    validation = source.draft(VALIDATION)
    yield "validate_output", validation.emptied("validate_output")
    yield "validate_output returns at once", validation.begun("validate_output", "return")
    yield "validate_output checks no value", validation.emptied("validate_output", "_ = output")
    yield "validate_output only logs", validation.emptied("validate_output", "print(output)")
    yield "InputValidator.validate", validation.emptied("InputValidator.validate")
    yield "InputValidator.validate returns at once", validation.begun("InputValidator.validate", "return")
    yield "InputValidator.validate only logs", validation.emptied("InputValidator.validate", "print(head)")
    runner = source.draft(RUNNER)
    yield "ToolRunner._validate_input", runner.emptied("ToolRunner._validate_input")
    yield (
        "ToolRunner._validate_input leaves early",
        runner.begun("ToolRunner._validate_input", 'if job.options.get("quick"):\n    return'),
    )
    codec = source.draft("runtime/result_codec.py")
    yield "validate_encoded", codec.emptied("validate_encoded")
    yield "without the schema", validation.emptied("InputValidator._validate_options")


HALF = "outcome = ToolRunner.run_plugin(subject, payload, context)"
RUNNER_IMPORT = "from runward_service.runtime.tool_runner import ToolRunner"


def worker_half(source: ServiceSource) -> Iterator[Change]:
    """The worker's half is called in the service, where nothing governs it."""
    for site in SITES:
        if site.name not in {"worker host", "tool runner's module"}:
            whole = Site(
                site.name,
                site.path,
                site.function,
                f"{site.binding.rstrip()}\n{HALF}",
                f"{site.imports}\n{RUNNER_IMPORT}",
            )
            yield site.name, whole.prepared(source)


VALIDATION_OPERATORS = (
    Operator("validation-removed", "RWD005", "a validating call removed", removed),
    Operator("input-weakened", "RWD005", "input validated on some ways only", weakened),
    Operator("output-weakened", "RWD005", "output validated on some ways only", output_weakened),
    Operator("validation-moved", "RWD005", "a validation on the wrong side of the run", moved),
    Operator("validator-emptied", "RWD005", "a validator that checks less", emptied),
    Operator("worker-half", "RWD005", "`ToolRunner.run_plugin` outside the worker", worker_half),
)
