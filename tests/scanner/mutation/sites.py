"""Places of the real service where a plugin could be run past ToolRunner, and how each would get one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.service_source import ServiceSource
    from tests.scanner.mutation.way import Way

LOADER = "from runward_service.plugins.loader import load_plugin_class"
PAYLOAD = "from runward_service.plugins.base import Payload, RunContext"
OF_JOB = """
payload = Payload(job.image.data or b"", job.mime_type, job.options)
context = RunContext(job.id, job.attempt, print)
"""
OF_REQUEST = """
payload = Payload(request.payload.image, request.payload.mime_type)
context = RunContext("", 1, print)
"""
OF_NOTHING = """
payload = Payload(b"", "image/png")
context = RunContext("", 1, print)
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A function of the service, and statements that bind ``subject``, ``payload`` and ``context`` there."""

    name: str
    path: str
    function: str
    binding: str
    imports: str = f"{LOADER}\n{PAYLOAD}"

    def prepared(self, source: ServiceSource) -> Draft:
        """The file with a plugin at hand and not yet run: no rule is broken. Raises LostSiteError."""
        return source.draft(self.path).begun(self.function, self.binding).importing(self.imports)

    def taken(self, source: ServiceSource, way: Way) -> Draft:
        """The file with a way taken at this site. Raises LostSiteError."""
        draft = source.draft(self.path).begun(self.function, f"{self.binding.rstrip()}\n{_dedented(way.code)}")
        return draft.importing(f"{self.imports}\n{_dedented(way.imports)}").extended(way.above)


def _dedented(code: str) -> str:
    lines = code.strip("\n").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines).strip()


SITES = (
    Site(
        "plugin service",
        "execution/plugin_execution_service.py",
        "PluginExecutionService.execute",
        f"subject = load_plugin_class(self._registry.get(job.plugin).source.target)(){OF_JOB}",
    ),
    Site(
        "job service",
        "execution/job_execution_service.py",
        "JobExecutionService.run_job",
        f"subject = load_plugin_class(job.plugin)(){OF_JOB}",
    ),
    Site(
        "analysis service",
        "execution/analysis_execution_service.py",
        "AnalysisExecutionService._run_when_due",
        f"subject = load_plugin_class(job.plugin)(){OF_JOB}",
    ),
    Site(
        "scheduler",
        "execution/scheduler.py",
        "Scheduler._run_claimed",
        f"subject = load_plugin_class(self._registry.get(job.plugin).source.target)(){OF_JOB}",
    ),
    Site(
        "execution servicer",
        "api/execution_servicer.py",
        "ExecutionServicer.Analyze",
        f"subject = load_plugin_class(request.plugin)(){OF_REQUEST}",
    ),
    Site(
        "plugin servicer",
        "api/plugin_servicer.py",
        "PluginServicer.GetPlugin",
        f"subject = load_plugin_class(request.plugin)(){OF_NOTHING}",
    ),
    Site(
        "worker pool",
        "runtime/worker_pool.py",
        "LocalWorkerPool.run",
        f"subject = load_plugin_class(entry.source.target)(){OF_JOB}",
    ),
    Site(
        "worker host",
        "runtime/host.py",
        "Host._run_job",
        """
subject = plugin
payload = Payload(body, meta["mime_type"], meta["options"])
context = RunContext(meta["job_id"], meta["attempt"], self._report_progress)
""",
        "",
    ),
    Site(
        "built-in plugin",
        "plugins/builtin/image_info.py",
        "ImageInfo.run",
        "subject = Barcode()",
        "from runward_service.plugins.builtin.barcode import Barcode",
    ),
    Site(
        "registry",
        "plugins/registry.py",
        "PluginRegistry.end_run",
        f"subject = load_plugin_class(self.get(name).source.target)(){OF_NOTHING}",
    ),
    Site(
        "recovery",
        "execution/recovery.py",
        "Recovery.recover_from",
        f"subject = load_plugin_class(owner)(){OF_NOTHING}",
    ),
    Site(
        "admin command",
        "commands/admin.py",
        "read_tracebacks",
        f"subject = load_plugin_class(job_id)(){OF_NOTHING}",
    ),
    Site(
        "composition root",
        "bootstrap.py",
        "build",
        f"subject = load_plugin_class(config.plugins[0])(){OF_NOTHING}",
    ),
    Site(
        "tool runner's module",
        "runtime/tool_runner.py",
        "internal_envelope",
        f"subject = load_plugin_class(job.plugin)(){OF_JOB}",
    ),
)
