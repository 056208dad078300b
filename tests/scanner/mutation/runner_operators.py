"""RWD002 and RWD005: ToolRunner, its metrics and the validators, changed from outside by subclass or by patch."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

SUBCLASSES = {
    "without a finally": """
        async def run(self, job, control):
            entry = self._registry.get(job.plugin)
            self._validate_input(entry, job)
            return await self._pool.run(entry, job, control)
    """,
    "with an empty finally": """
        async def run(self, job, control):
            entry = self._registry.get(job.plugin)
            try:
                self._validate_input(entry, job)
                return await self._pool.run(entry, job, control)
            finally:
                pass
    """,
    "with a condition": """
        async def run(self, job, control):
            entry = self._registry.get(job.plugin)
            try:
                self._validate_input(entry, job)
                return await self._pool.run(entry, job, control)
            finally:
                if job.labels:
                    self.update_execution_metrics(job.plugin, began=True, succeeded=True)
    """,
    "whose metrics do nothing": """
        def update_execution_metrics(self, plugin, *, began, succeeded):
            return None
    """,
}


def subclassed(source: ServiceSource) -> Iterator[Change]:
    """A subclass of ToolRunner governs less."""
    for site, body in SUBCLASSES.items():
        code = f"class QuickRunner(ToolRunner):\n{indent(dedent(body).strip(), '    ')}"
        yield site, source.draft("runtime/tool_runner.py").extended(code)


def patched_run(source: ServiceSource) -> Iterator[Change]:
    """ToolRunner.run is replaced after it was defined."""
    bootstrap = source.draft("bootstrap.py")
    yield "assigned to the class", bootstrap.begun("build", "ToolRunner.run = lambda self, job, control: None")
    built = bootstrap.statement(bootstrap.function("build_layers"), "tool_runner = ToolRunner(")
    yield "assigned to the object", bootstrap.after(built, "tool_runner.run = pool.run")
    yield "by setattr", bootstrap.after(built, 'setattr(tool_runner, "run", pool.run)')
    service = source.draft("execution/plugin_execution_service.py")
    yield "in the plugin service", service.begun("PluginExecutionService.execute", "self._tool_runner.run = print")
    own = source.draft("runtime/tool_runner.py")
    yield "at the end of its module", own.extended("ToolRunner.run = ToolRunner.end_without_run")
    begun = own.begun("ToolRunner.__init__", "self.run = pool.run")
    yield "in its own constructor", begun
    patching = bootstrap.importing("from unittest.mock import patch")
    yield "by patch.object", patching.begun("build", 'patch.object(ToolRunner, "run").start()')


def patched_metrics(source: ServiceSource) -> Iterator[Change]:
    """The method that counts is replaced after it was defined."""
    bootstrap = source.draft("bootstrap.py")
    quiet = "lambda *given, **named: None"
    yield "assigned to the class", bootstrap.begun("build", f"ToolRunner.update_execution_metrics = {quiet}")
    built = bootstrap.statement(bootstrap.function("build_layers"), "tool_runner = ToolRunner(")
    yield "assigned to the object", bootstrap.after(built, f"tool_runner.update_execution_metrics = {quiet}")
    own = source.draft("runtime/tool_runner.py")
    yield "in its constructor", own.begun("ToolRunner.__init__", f"self.update_execution_metrics = {quiet}")
    named = f'setattr(ToolRunner, "update_" + "execution_metrics", {quiet})'
    yield "by setattr", bootstrap.begun("build", named)
    yield "deleted", own.extended("del ToolRunner.update_execution_metrics")


def patched_validators(source: ServiceSource) -> Iterator[Change]:
    """A validator is replaced by something that checks nothing."""
    module = "from runward_service.runtime import validation"
    none = "lambda *given: None"
    bootstrap = source.draft("bootstrap.py").importing(module)
    yield "validate_output of its module", bootstrap.begun("build", f"validation.validate_output = {none}")
    yield "by setattr", bootstrap.begun("build", f'setattr(validation, "validate_" + "output", {none})')
    runner = source.draft("runtime/tool_runner.py")
    yield "a global of tool_runner.py", runner.extended(f"validate_output = {none}")
    yield "validate_encoded there", runner.extended(f"validate_encoded = {none}")
    yield "_validate_input in the constructor", runner.begun("ToolRunner.__init__", f"self._validate_input = {none}")
    imported = runner.statement(runner.tree, "import validate_encoded")
    yield (
        "imported under the name",
        runner.exchanged(
            imported, "from runward_service.runtime.result_codec import encode_result as validate_encoded"
        ),
    )
    input_class = "from runward_service.runtime.validation import InputValidator"
    quiet = source.draft("bootstrap.py").importing(input_class)
    yield "InputValidator.validate", quiet.begun("build", f"InputValidator.validate = {none}")
    registry = source.draft("plugins/registry.py")
    yield (
        "a quiet entry.validator",
        registry.begun("PluginRegistry.get", "self._entries[name].validator = Quiet()").extended(
            "class Quiet:\n    def validate(self, *given):\n        return None"
        ),
    )
    mocked = bootstrap.importing("from unittest.mock import patch")
    target = '"runward_service.runtime.tool_runner.validate_output"'
    yield "by patch", mocked.begun("build", f"patch({target}).start()")


RUNNER_OPERATORS = (
    Operator("runner-subclassed", "RWD002", "a subclass that counts less", subclassed),
    Operator("runner-run-replaced", "RWD002", "`ToolRunner.run` replaced", patched_run),
    Operator("metrics-replaced", "RWD002", "`update_execution_metrics` replaced", patched_metrics),
    Operator("validator-replaced", "RWD005", "a validator replaced", patched_validators),
)
