"""Changes that break no rule: a finding on one of them is a false alarm."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from tests.scanner.mutation.draft import Draft
from tests.scanner.mutation.metrics_operators import final_block
from tests.scanner.mutation.mutation_operator import Operator
from tests.scanner.mutation.sites import SITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

RUNNER = "runtime/tool_runner.py"
COUNTED = {
    "in both arms": "if began:\n    {call}\nelse:\n    {call}",
    "in every case": "match began:\n    case True:\n        {call}\n    case _:\n        {call}",
    "first, then a log line": '{call}\nlogger.debug("counted")',
    "after a log line": 'logger.debug("it is over")\n{call}',
    "within nullcontext": "with nullcontext():\n    {call}",
    "in a try with a finally": 'try:\n    logger.debug("it is over")\nfinally:\n    {call}',
    "by a method": "self._count(job.plugin, began=began, succeeded=result is not None)",
    "by a called function": "def count() -> None:\n    {call}\n\ncount()",
    "its arguments first": "succeeded = result is not None\n"
    "self.update_execution_metrics(job.plugin, began=began, succeeded=succeeded)",
}
COUNT = """
def _count(self, plugin: str, *, began: bool, succeeded: bool) -> None:
    self.update_execution_metrics(plugin, began=began, succeeded=succeeded)
"""


def prepared(source: ServiceSource) -> Iterator[Change]:
    """A plugin is at hand, and not run."""
    for site in SITES:
        yield site.name, site.prepared(source)


def counted(source: ServiceSource) -> Iterator[Change]:
    """The metrics are counted on every path, in other words."""
    block = final_block(source)
    for form, code in COUNTED.items():
        changed = block.instead(code)
        if "self._count" in code:
            changed = changed.after(changed.klass("ToolRunner").body[-1], COUNT)
        yield form, changed.importing("from contextlib import nullcontext" if "nullcontext" in code else "")


def renamed(path: str, function: str, old: str, new: str, source: ServiceSource) -> Iterator[Change]:
    """A variable of a function has another name."""
    draft = source.draft(path)
    node = draft.function(function)
    text = draft.segment(node)
    names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
    assert old in names
    assert new not in names
    changed = draft.substituted(node, text, _with_name(text, old, new))
    yield f"{function}: {old}", changed


def _with_name(text: str, old: str, new: str) -> str:
    lines = text.split("\n")
    tree = ast.parse(text.replace("\n    ", "\n"))
    places = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == old]
    for node in sorted(places, key=lambda item: (item.lineno, item.col_offset), reverse=True):
        column = node.col_offset + (4 if node.lineno > 1 else 0)
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = f"{line[:column]}{new}{line[column + len(old) :]}"
    return "\n".join(lines)


def subclasses(source: ServiceSource) -> Iterator[Change]:
    """Plugins that build on plugins, as plugins may."""
    head = (
        '"""A plugin."""\n\nfrom runward_service.plugins.builtin.barcode import Barcode\n\n\nclass Louder(Barcode):\n'
    )
    run = "    def run(self, payload, context):\n"
    for form, body in {
        "super().run()": "return super().run(payload, context)",
        "super().run() with more": 'return {**super().run(payload, context), "loud": True}',
        "hasattr": 'return {"can": hasattr(self, "run")}',
        "another method": "return {'found': self._look()}\n\n    def _look(self):\n        return 1",
    }.items():
        yield form, Draft("plugins/builtin/louder.py", f"{head}{run}        {body}\n")


OWN_LOOP = """
class Loop:
    def run(self) -> int:
        return 1


def go() -> int:
    plugin = Loop()
    return plugin.run()
"""
OWN_THREAD = """
class Waiter(threading.Thread):
    def run(self) -> None:
        return None


def go() -> None:
    Waiter().run()
"""


def other_runs(source: ServiceSource) -> Iterator[Change]:
    """Things with a run that are no plugins, whatever their names."""
    worker = "runtime/worker_process.py"
    startup = source.draft(worker).importing("import subprocess\nimport asyncio")
    yield "subprocess.run", startup.extended('def listing() -> object:\n    return subprocess.run(["ls"], check=False)')
    yield (
        "asyncio.run",
        startup.extended("async def nothing() -> None: ...\n\n\ndef go() -> None:\n    asyncio.run(nothing())"),
    )
    yield (
        "named plugin",
        startup.extended('plugin = subprocess\n\n\ndef go() -> object:\n    return plugin.run(["ls"], check=False)'),
    )
    yield "an own class", source.draft("watch/watcher.py").extended(OWN_LOOP)
    writer = source.draft("store/writer.py").importing("import threading")
    yield "a thread's own run", writer.extended(OWN_THREAD)
    context = source.draft("execution/scheduler.py").importing("import contextvars")
    yield "contextvars' run", context.extended("def go() -> object:\n    return contextvars.copy_context().run(print)")


LOGGED = {
    "exc_info": 'logger.error("it failed", exc_info=error)',
    "its text": 'logger.error("it failed: %s", error)',
    "an f-string": 'logger.error(f"it failed: {error}")',
    "logger.exception": 'logger.exception("it failed")',
    "extra": 'logger.error("it failed", extra={"error": str(error)})',
}

LOGGED_AND_RAISED = """
try:
    outcome = await self._plugins.execute(job, control)
except Exception:
    logger.exception("it failed")
    raise
"""


def logged(source: ServiceSource) -> Iterator[Change]:
    """Exceptions in log calls."""
    draft = source.draft("api/call_interceptor.py")
    function = draft.function("status_of_exception")
    for form, code in LOGGED.items():
        yield f"api: {form}", draft.before(function.body[-1], code)
    jobs = source.draft("execution/job_execution_service.py")
    run = jobs.statement(jobs.function("JobExecutionService.run_job"), "outcome = await self._plugins.execute(")
    yield "logged and raised again", jobs.exchanged(run, LOGGED_AND_RAISED)


def typed_only(source: ServiceSource) -> Iterator[Change]:
    """Imports that only a type checker follows."""
    runner = "from runward_service.runtime.tool_runner import ToolRunner"
    code = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {runner}"
    for path in ("api/execution_servicer.py", "domain/job.py", "execution/scheduler.py", "plugins/base.py"):
        yield path, source.draft(path).importing(code)
    module = code.replace("from typing import TYPE_CHECKING", "import typing").replace("if TYPE", "if typing.TYPE")
    yield "typing.TYPE_CHECKING", source.draft("store/writer.py").importing(module)


def words(source: ServiceSource) -> Iterator[Change]:
    """The rules' words where they mean something else."""
    registry = source.draft("plugins/registry.py").importing("from runward_service.domain.job import JobStatus")
    yield (
        "a status compared",
        registry.extended("def done(status: JobStatus) -> bool:\n    return status is JobStatus.SUCCESS"),
    )
    yield (
        "a metric's outcome",
        registry.extended('def outcome(ok: bool) -> str:\n    return "SUCCESS" if ok else "ERROR"'),
    )
    yield (
        "a log line",
        registry.begun("PluginRegistry._changed", 'logger.info("state SUCCESS, not READY: %s", entry.state)'),
    )
    connection = 'class Connection:\n    state = "OPEN"\n\n\n'
    connection += 'def close(connection: Connection) -> None:\n    connection.state = "CLOSED"'
    yield "a connection's state", source.draft("runtime/worker_process.py").extended(connection)
    yield (
        "a state parsed",
        registry.extended('def read(row: dict[str, str]) -> PluginState:\n    return PluginState(row["state"])'),
    )
    note = '"""ToolRunner alone calls plugin.run(); _internal stays inside."""'
    yield "a docstring", source.draft("api/requests.py").extended(f"def told() -> None:\n    {note}")
    pattern = source.draft("store/rows.py").importing("import re").extended('PATTERN = re.compile("eval|exec")')
    yield "re.compile", pattern
    config = source.draft("config.py").extended(
        "def value(config: Config, name: str) -> object:\n    return getattr(config, name)"
    )
    yield "getattr on settings", config


LOOK_UP = """
async def found(catalog: PluginCatalog, name: str) -> bool:
    try:
        await catalog.resolve(name)
    except LookupError:
        return False
    return True
"""


def swallowed_elsewhere(source: ServiceSource) -> Iterator[Change]:
    """Exceptions swallowed around what is no execution."""
    images = source.draft("store/images.py").importing("from contextlib import suppress")
    yield (
        "a file removed",
        images.extended("def drop(path: Path) -> None:\n    with suppress(OSError):\n        path.unlink()"),
    )
    catalog = source.draft("execution/plugin_catalog.py")
    yield "a look-up", catalog.extended(LOOK_UP)


CLEAN_OPERATORS = (
    Operator("clean-prepared", "", "a plugin at hand and not run", prepared),
    Operator("clean-counted", "", "metrics on every path, in other words", counted),
    Operator(
        "clean-renamed-reply", "", "a renamed variable", partial(renamed, RUNNER, "ToolRunner.run", "reply", "answer")
    ),
    Operator(
        "clean-renamed-output",
        "",
        "a renamed variable",
        partial(renamed, RUNNER, "ToolRunner.run_plugin", "output", "found"),
    ),
    Operator(
        "clean-renamed-group",
        "",
        "a renamed variable",
        partial(renamed, "runtime/worker_pool.py", "LocalWorkerPool.run", "group", "plugin"),
    ),
    Operator("clean-subclass", "", "plugins that build on plugins", subclasses),
    Operator("clean-other-run", "", "a `run` of something else", other_runs),
    Operator("clean-logged", "", "exceptions in log calls", logged),
    Operator("clean-typed-only", "", "imports for the type checker alone", typed_only),
    Operator("clean-words", "", "the rules' words in other meanings", words),
    Operator("clean-swallowed", "", "exceptions swallowed around other things", swallowed_elsewhere),
)
