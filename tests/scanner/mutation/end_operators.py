"""RWD005: jobs ended with outcomes that ToolRunner did not make."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from tests.scanner.mutation.bypass import Bypass
from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

JOBS, RECOVERY = "execution/job_execution_service.py", "execution/recovery.py"
ENDS = "execution/job_ends.py"
PLUGINS = "execution/plugin_execution_service.py"
IMPORT = "from runward_service.domain.outcome import Outcome"
MADE = 'Outcome(job.id, job.attempt, job.plugin, job.create_time_us, 0, ran=True, result=b"")'
STORE = """
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from runward_service.domain.job import JobMode
from runward_service.domain.outcome import Outcome
from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.store.job_store import SqliteJobStore


def bypass(subject, payload, context):
    signer = ReceiptSigner(ReceiptKeys([ReceiptKey(bytes(32))]))
    store = SqliteJobStore(None, "owner", Path, signer.verify, None)
    image = SimpleNamespace(digest="sha256:0", size_bytes=1)
    texts = dict.fromkeys(("tenant", "principal", "request_id", "mime_type", "plugin_version", "retry_of"), "text")
    times = dict.fromkeys(("create_time_us", "start_time_us", "queue_deadline_us", "retention_us", "timeout_us"), 1)
    job = SimpleNamespace(id="job", attempt=1, plugin="plugin", mode=JobMode.SYNC, image=image, options={}, labels={},
                          priority=0, max_attempts=1, skip_cache=False, **texts, **times)
    made = Outcome(job.id, job.attempt, job.plugin, 1, 0, ran=True, result=b"")
"""
"""A store that has nothing to write with: a finish that it takes fails without a violation."""


def finishing(code: str) -> Bypass:
    """A bypass that ends a job."""
    return Bypass(f"{STORE}    {dedent(code).strip()}\n")


FORGED = finishing("store.finish_job(job, made)")
FORGED_SITES = ("run_job", "end_unrun_job", "_store_later", "recovery", "plugin service", "plugin service, unrun")


def forged(source: ServiceSource) -> Iterator[Change]:
    """An outcome is made where ToolRunner should have been asked for it."""
    jobs = source.draft(JOBS).importing(IMPORT)
    yield "run_job", jobs.begun("JobExecutionService.run_job", f"await self._store.finish_job(job, {MADE})")
    unrun = jobs.statement(jobs.function("JobExecutionService.end_unrun_job"), "self._plugins.end_without_run(")
    yield "end_unrun_job", jobs.exchanged(unrun, f"outcome = {MADE}")
    ends = source.draft(ENDS).importing(IMPORT)
    yield "_store_later", ends.begun("JobEnds._store_later", f"outcome = {MADE}")
    recovery = source.draft(RECOVERY).importing(IMPORT)
    left = recovery.statement(recovery.function("Recovery.recover_from"), "left = [")
    loop = f"for job in left:\n    await self._store.end_unrun_job(job, {MADE})"
    yield "recovery", recovery.after(left, loop)
    plugins = source.draft(PLUGINS).importing(IMPORT)
    yield "plugin service", plugins.begun("PluginExecutionService.execute", f"return {MADE}")
    yield "plugin service, unrun", plugins.begun("PluginExecutionService.end_without_run", f"return {MADE}")


CHANGED = {
    "after the run": finishing('store.finish_job(job, replace(signer.signed(made, job), result=b"better"))'),
    "in the plugin service": finishing("store.finish_job(job, replace(signer.signed(made, job), ran=False))"),
    "of another job": finishing('store.finish_job(job, signer.signed(replace(made, job_id="another"), job))'),
    "of another attempt": finishing("store.finish_job(job, signer.signed(replace(made, attempt=7), job))"),
}


def changed(source: ServiceSource) -> Iterator[Change]:
    """ToolRunner's outcome is changed on its way to the store, or stored for what it was not made for."""
    jobs = source.draft(JOBS)
    run = "JobExecutionService.run_job"
    replacing = "from dataclasses import replace"
    better = jobs.importing(replacing)
    ran = better.statement(better.function(run), "on_ran()")
    yield "after the run", better.after(ran, 'outcome = replace(outcome, result=b"better", envelope=None)')
    plugins = source.draft(PLUGINS).importing(replacing)
    executed = plugins.statement(plugins.function("PluginExecutionService.execute"), "self._tool_runner.run(")
    changing = "return replace(await self._tool_runner.run(job, control), ran=False)"
    yield "in the plugin service", plugins.exchanged(executed, changing)
    ran = jobs.statement(jobs.function(run), "on_ran()")
    yield "of another job", jobs.after(ran, "job = job._replace(id=job.request_id)")
    yield "of another attempt", jobs.after(ran, "job = job._replace(attempt=job.attempt + 1)")


END_OPERATORS = (
    Operator(
        "end-forged",
        "RWD005",
        "an end of a job that ToolRunner did not make",
        forged,
        dict.fromkeys(FORGED_SITES, FORGED),
    ),
    Operator(
        "end-changed",
        "RWD005",
        "an end that was changed on its way, or of another job or attempt",
        changed,
        CHANGED,
    ),
)
