"""RWD006: layers skipped, gone up or built where they are not built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scanner.mutation.draft import Draft
from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

TOP = "runward_service"
JOBS = f"{TOP}.execution.job_execution_service"
PLUGINS = f"{TOP}.execution.plugin_execution_service"
RUNNER = f"{TOP}.runtime.tool_runner"
POOL = f"{TOP}.runtime.worker_pool"

SKIPS = (
    ("api/execution_servicer.py", JOBS, "JobExecutionService"),
    ("api/execution_servicer.py", PLUGINS, "PluginExecutionService"),
    ("api/execution_servicer.py", RUNNER, "ToolRunner"),
    ("api/plugin_servicer.py", POOL, "LocalWorkerPool"),
    ("api/conversion.py", RUNNER, "internal_envelope"),
    ("api/requests.py", f"{TOP}.store.job_store", "SqliteJobStore"),
    ("api/health_servicer.py", f"{TOP}.store.writer", "GroupCommitWriter"),
    ("execution/analysis_execution_service.py", PLUGINS, "PluginExecutionService"),
    ("execution/analysis_execution_service.py", RUNNER, "ToolRunner"),
    ("execution/job_execution_service.py", RUNNER, "ToolRunner"),
    ("execution/job_execution_service.py", POOL, "LocalWorkerPool"),
    ("execution/scheduler.py", RUNNER, "ToolRunner"),
    ("execution/recovery.py", RUNNER, "ToolRunner"),
    ("execution/plugin_execution_service.py", POOL, "LocalWorkerPool"),
)
UPWARDS = (
    ("domain/job.py", JOBS, "JobExecutionService"),
    ("domain/envelope.py", f"{TOP}.api.conversion", "envelope_to_proto"),
    ("plugins/base.py", RUNNER, "ToolRunner"),
    ("plugins/builtin/image_info.py", RUNNER, "ToolRunner"),
    ("plugins/registry.py", f"{TOP}.execution.scheduler", "Scheduler"),
    ("runtime/tool_runner.py", JOBS, "JobExecutionService"),
    ("runtime/worker_pool.py", f"{TOP}.execution.scheduler", "Scheduler"),
    ("runtime/validation.py", f"{TOP}.api.requests", "invalid_field"),
    ("store/job_store.py", f"{TOP}.execution.expiry", "Expiry"),
    ("watch/watcher.py", f"{TOP}.execution.analysis_execution_service", "AnalysisExecutionService"),
    ("execution/plugin_execution_service.py", JOBS, "JobExecutionService"),
    ("execution/job_execution_service.py", f"{TOP}.api.status", "status_of_error"),
    ("config.py", f"{TOP}.bootstrap", "build"),
    ("execution/scheduler.py", f"{TOP}.server", "serve"),
)


def imported(pairs: tuple[tuple[str, str, str], ...], source: ServiceSource) -> Iterator[Change]:
    """A module imports what it must not."""
    for path, module, name in pairs:
        yield f"{path}: {name}", source.draft(path).importing(f"from {module} import {name}")


def skipped(source: ServiceSource) -> Iterator[Change]:
    """A layer imports one that is not the next below."""
    return imported(SKIPS, source)


def upwards(source: ServiceSource) -> Iterator[Change]:
    """A layer imports one above it."""
    return imported(UPWARDS, source)


def disguised(source: ServiceSource) -> Iterator[Change]:
    """The same imports in other words."""
    servicer = source.draft("api/execution_servicer.py")
    yield "the module", servicer.importing(f"import {JOBS}")
    yield "the module, renamed", servicer.importing(f"import {RUNNER} as pb")
    yield "from the package", servicer.importing(f"from {TOP}.runtime import tool_runner")
    yield "relative", servicer.importing("from ..execution.job_execution_service import JobExecutionService")
    yield "a star", servicer.importing(f"from {JOBS} import *")
    inside = f"from {JOBS} import JobExecutionService"
    yield "in a function", servicer.begun("ExecutionServicer.Analyze", inside)
    tried = f"try:\n    {inside}\nexcept ImportError:\n    JobExecutionService = None"
    yield "in a try", servicer.importing(tried)
    yield "under a false condition", servicer.importing(f"import sys\nif sys.platform:\n    {inside}")
    yield (
        "beside TYPE_CHECKING",
        servicer.importing(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import abc\nelse:\n    {inside}"),
    )
    analysis = "from runward_service.execution.analysis_execution_service import"
    again = source.draft("execution/analysis_execution_service.py").importing(
        f"from {RUNNER} import ToolRunner as Governed"
    )
    yield "through a re-export", servicer.importing(f"{analysis} Governed"), again
    yield "through the composition root", servicer.importing(f"from {TOP}.bootstrap import JobExecutionService")
    words = Draft("domain/layers.py", f'"""Layers."""\n\nfrom {RUNNER} import ToolRunner\n\nGoverned = ToolRunner\n')
    yield "through a renaming module", servicer.importing(f"from {TOP}.domain.layers import Governed"), words


def dynamic(source: ServiceSource) -> Iterator[Change]:
    """A layer is imported by a call."""
    for path, function in (
        ("api/execution_servicer.py", "ExecutionServicer.Analyze"),
        ("execution/analysis_execution_service.py", "AnalysisExecutionService.run_claimed"),
        ("plugins/registry.py", "PluginRegistry.get"),
    ):
        draft = source.draft(path).importing("import importlib\nimport sys")
        yield f"{path}: import_module", draft.begun(function, f'importlib.import_module("{RUNNER}").ToolRunner')
        added = f'importlib.import_module("{TOP}." + "runtime.tool_runner").ToolRunner'
        yield f"{path}: added strings", draft.begun(function, added)
        yield f"{path}: __import__", draft.begun(function, f'__import__("{RUNNER}", fromlist=["x"]).ToolRunner')
        yield f"{path}: sys.modules", draft.begun(function, f'sys.modules["{RUNNER}"].ToolRunner')


def reached_through(source: ServiceSource) -> Iterator[Change]:
    """A layer is used through an attribute of the next one."""
    servicer = source.draft("api/execution_servicer.py").importing("from operator import attrgetter")
    analyze = "ExecutionServicer.Analyze"
    for site, code in {
        "jobs": "await self._analysis._jobs.run_job(request, context, print)",
        "plugin service": "await self._analysis._jobs._plugins.execute(request, context)",
        "ToolRunner": "await self._analysis._jobs._plugins._tool_runner.run(request, context)",
        "pool": "await self._analysis._jobs._plugins._tool_runner._pool.run(request, request, context)",
        "store": "await self._analysis._jobs._store.request_cancel(request.plugin)",
        "by a name": "below = self._analysis._jobs\nawait below.run_job(request, context, print)",
        "getattr": 'await getattr(self._analysis, "_jobs").run_job(request, context, print)',
        "getattr, added": 'await getattr(self._analysis, "_jo" + "bs").run_job(request, context, print)',
        "vars": 'await vars(self._analysis)["_jobs"].run_job(request, context, print)',
        "attrgetter": 'await attrgetter("_jobs.run_job")(self._analysis)(request, context, print)',
    }.items():
        yield f"servicer: {site}", servicer.begun(analyze, code)
    analysis = source.draft("execution/analysis_execution_service.py")
    claimed = "AnalysisExecutionService.run_claimed"
    yield "analysis: plugin service", analysis.begun(claimed, "await self._jobs._plugins.execute(job, control)")
    yield "analysis: ToolRunner", analysis.begun(claimed, "await self._jobs._plugins._tool_runner.run(job, control)")
    jobs = source.draft("execution/job_execution_service.py")
    run_job = "JobExecutionService.run_job"
    yield "jobs: ToolRunner", jobs.begun(run_job, "await self._plugins._tool_runner.run(job, control)")
    pool = "await self._plugins._tool_runner._pool.run(None, job, control)"
    yield "jobs: pool", jobs.begun(run_job, pool)
    service = source.draft("execution/plugin_execution_service.py")
    direct = "await self._tool_runner._pool.run(self._registry.get(job.plugin), job, control)"
    yield "plugin service: pool", service.begun("PluginExecutionService.execute", direct)


def handed_down(source: ServiceSource) -> Iterator[Change]:
    """A layer is given to one that must not have it."""
    servicer = source.draft("api/execution_servicer.py")
    typed = servicer.importing(
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {JOBS} import JobExecutionService"
    )
    taken = typed.extended(
        "async def claim(jobs: JobExecutionService, plugin: str) -> object:\n"
        "    return await jobs.claim_jobs(plugin, 1)"
    )
    yield "an annotated parameter", taken
    holder = typed.begun(
        "ExecutionServicer.Analyze",
        "jobs: JobExecutionService = context.jobs\nawait jobs.claim_jobs(request.plugin, 1)",
    )
    yield "an annotated variable", holder
    server = source.draft("server.py")
    call = server.statement(server.tree, "add_servicers(")
    skipping = server.substituted(call, "service.analysis", "service.jobs")
    yield "in place of the analysis service", skipping
    bootstrap = source.draft("bootstrap.py")
    built = bootstrap.statement(bootstrap.function("build_layers"), "analysis = AnalysisExecutionService(")
    yield "plugin service for job service", bootstrap.substituted(built, "jobs,", "plugins,")


BUILT = (
    (
        "execution/plugin_execution_service.py",
        "PluginExecutionService.execute",
        RUNNER,
        "ToolRunner(self._registry, None, None)",
    ),
    (
        "execution/job_execution_service.py",
        "JobExecutionService.run_job",
        PLUGINS,
        "PluginExecutionService(None, None)",
    ),
    (
        "execution/analysis_execution_service.py",
        "AnalysisExecutionService.submit",
        JOBS,
        "JobExecutionService(None, None, None, None, '')",
    ),
    ("commands/admin.py", "read_tracebacks", RUNNER, "ToolRunner(None, None, None)"),
    ("server.py", "serve", JOBS, "JobExecutionService(None, None, None, None, '')"),
    ("runtime/host.py", "failure_of", RUNNER, "ToolRunner(None, None, None)"),
)


def built(source: ServiceSource) -> Iterator[Change]:
    """A layer is built outside the composition root."""
    for path, function, module, code in BUILT:
        name = code.partition("(")[0]
        yield f"{path}: {name}", source.draft(path).begun(function, code).importing(f"from {module} import {name}")
    service = source.draft("execution/plugin_execution_service.py")
    execute = "PluginExecutionService.execute"
    for site, code in {
        "type()": "type(self._tool_runner)(self._registry, None)",
        "__class__": "self._tool_runner.__class__(self._registry, None)",
        "__new__": "object.__new__(type(self._tool_runner))",
        "partial": "partial(type(self._tool_runner), self._registry)(None)",
    }.items():
        yield f"by {site}", service.begun(execute, code).importing("from functools import partial")


LAYER_OPERATORS = (
    Operator("layer-skipped", "RWD006", "an import past the next layer", skipped),
    Operator("layer-upwards", "RWD006", "an import of a layer above", upwards),
    Operator("import-disguised", "RWD006", "such an import in other words", disguised),
    Operator("import-dynamic", "RWD006", "a layer imported by a call", dynamic),
    Operator("layer-reached-through", "RWD006", "a layer used through an attribute of another", reached_through),
    Operator("layer-handed-down", "RWD006", "a layer given to one that must not have it", handed_down),
    Operator("layer-built", "RWD006", "a layer built outside the composition root", built),
)
