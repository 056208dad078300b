"""The store takes an end from ToolRunner's own outcome of that job and attempt, and from nothing else."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.outcome import Outcome, OutcomeSeal
from runward_service.domain.violation import GovernanceViolation
from tests.store.jobs import new_job, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.job import Job
    from runward_service.store.job_store import SqliteJobStore
    from tests.store.held_writer import HeldWriter

ROWS = "SELECT id, status, revision, end_time FROM job ORDER BY id"
COUNTS = "SELECT (SELECT count(*) FROM job_event), (SELECT count(*) FROM plugin_counter)"


def bare(job: Job) -> Outcome:
    """An outcome that nobody sealed."""
    return Outcome(job.id, job.attempt, job.plugin, 1, 1, ran=True, result=b"", output_digest="")


FORGED: dict[str, Callable[[Job], Outcome]] = {
    "made elsewhere": bare,
    "sealed elsewhere": lambda job: OutcomeSeal().sealed(bare(job)),
    "a changed copy": lambda job: replace(outcome(job), output_digest="another"),
    "a plain copy": lambda job: copy.copy(outcome(job)),
    "of another job": lambda job: outcome(job._replace(id="another")),
    "of another attempt": lambda job: outcome(job._replace(attempt=job.attempt + 1)),
    "of another job, renamed": lambda job: replace(outcome(job._replace(id="another")), job_id=job.id),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("way", ["finish_job", "end_unrun_job"])
async def test_a_forged_end_is_refused(
    writer: HeldWriter,
    store: SqliteJobStore,
    caplog: pytest.LogCaptureFixture,
    forge: Callable[[Job], Outcome],
    way: str,
) -> None:
    """It raises GovernanceViolation, logged as such, and writes nothing; the job's own outcome is taken afterwards."""
    job = new_job(3)  # which fails, as every job does that ends without a run
    await store.create_job(job, deferred=False)
    if way == "finish_job":
        store.defer_start(job.id, 201)
        await writer.submit(lambda tx: tx.execute("SELECT 1"))
        job = job._replace(attempt=1)
    before = writer.rows(ROWS), writer.rows(COUNTS)
    with pytest.raises(GovernanceViolation):
        await getattr(store, way)(job, forge(job))
    assert [(record.name, record.levelname) for record in caplog.records] == [("runward.governance", "ERROR")]
    assert (writer.rows(ROWS), writer.rows(COUNTS)) == before
    assert await getattr(store, way)(job, outcome(job)) > 0


async def test_the_same_outcome_is_taken_again(writer: HeldWriter, store: SqliteJobStore) -> None:
    """An end that could not be stored when it came can be tried again until it is; then it is stored once."""
    job = new_job(1)
    await store.create_job(job, deferred=False)
    begun = job._replace(attempt=1)
    end = outcome(begun)
    assert await store.finish_job(begun, end) == 0  # its start is not stored yet
    store.defer_start(job.id, 201)
    assert await store.finish_job(begun, end) > 0
    assert await store.finish_job(begun, end) == 0
    assert writer.rows("SELECT success_count FROM plugin_counter") == [(1,)]


def test_the_seal_keeps_no_outcome_alive() -> None:
    """What was sealed and let go of is forgotten."""
    seal = OutcomeSeal()
    job = new_job(1)
    for _ in range(100):
        seal.sealed(bare(job))
    assert len(seal._sealed) == 0
