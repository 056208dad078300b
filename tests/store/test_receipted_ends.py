"""The store takes an end with ToolRunner's receipt for that job, attempt and end, and with nothing else."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.outcome import Outcome
from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.domain.violation import GovernanceViolation
from tests.store.jobs import new_job, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.job import Job
    from runward_service.store.job_store import SqliteJobStore
    from tests.store.held_writer import HeldWriter

ROWS = "SELECT id, status, revision, end_time FROM job ORDER BY id"
COUNTS = """SELECT (SELECT count(*) FROM job_event), (SELECT count(*) FROM plugin_counter),
                   (SELECT count(*) FROM receipt_chain)"""


def bare(job: Job) -> Outcome:
    """An outcome that nobody signed."""
    return Outcome(job.id, job.attempt, job.plugin, 1, 1, ran=True, result=b"", output_digest="")


def with_receipt_of(changed: Outcome, original: Outcome) -> Outcome:
    """An outcome with the receipt of another: what a replay or an edit under way comes to."""
    assert original.receipt is not None
    changed.accept(original.receipt)
    return changed


def another_key(job: Job) -> Outcome:
    """An outcome that was signed with a key that is not the store's."""
    return ReceiptSigner(ReceiptKeys([ReceiptKey(b"\1" * 32)])).signed(bare(job), job)


def edited(job: Job, **fields: object) -> Outcome:
    """ToolRunner's own outcome, changed after it was signed."""
    own = outcome(job)
    return with_receipt_of(replace(own, **fields), own)  # type: ignore[arg-type]


def replayed(job: Job, earlier: Job) -> Outcome:
    """The receipt of another job or attempt, on an outcome that says that it is this one's."""
    return with_receipt_of(replace(outcome(earlier), job_id=job.id, attempt=job.attempt), outcome(earlier))


class Posing(Outcome):
    """An outcome of a class that might say one thing when it is verified and another when it is written."""


def posing(job: Job) -> Outcome:
    """ToolRunner's own outcome, of another class and with all that it has."""
    own = outcome(job)
    made = object.__new__(Posing)
    for name in own.__dataclass_fields__:
        object.__setattr__(made, name, getattr(own, name))
    return made


def altered(job: Job, name: str, value: object) -> Outcome:
    """ToolRunner's own outcome, changed where it stands."""
    own = outcome(job)
    object.__setattr__(own, name, value)
    return own


def look_alike(job: Job) -> Any:
    """Something that has all that an outcome has, and is none."""
    own = outcome(job)
    names = (*own.__dataclass_fields__, "status", "repeatable")
    return SimpleNamespace(**{name: getattr(own, name) for name in names})


FORGED: dict[str, Callable[[Job], Outcome]] = {
    "made elsewhere": bare,
    "signed with another key": another_key,
    "a changed copy": lambda job: replace(outcome(job), end_time_us=7),
    "another result": lambda job: edited(job, result=b"\0", envelope=None),
    "another output digest": lambda job: edited(job, output_digest="another"),
    "another time": lambda job: edited(job, end_time_us=7),
    "other code": lambda job: edited(job, code_digest="sha256:other"),
    "said to be cached": lambda job: edited(job, cached=True),
    "of another job": lambda job: outcome(job._replace(id="another")),
    "of another attempt": lambda job: outcome(job._replace(attempt=job.attempt + 1)),
    "replayed of another job": lambda job: replayed(job, job._replace(id="another")),
    "replayed of another attempt": lambda job: replayed(job, job._replace(attempt=job.attempt + 1)),
    "for other options": lambda job: outcome(job._replace(options={"n": -1})),
    "a copy": lambda job: copy.copy(outcome(job)),
    "a deep copy": lambda job: copy.deepcopy(outcome(job)),
    "a pickled copy": lambda job: pickle.loads(pickle.dumps(outcome(job))),
    "a copy by replace, signed by hand": edited,
    "never initialised": lambda job: object.__new__(Outcome),
    "a look-alike": look_alike,
    "nothing": lambda job: None,  # type: ignore[arg-type, return-value]
    "of a subclass": posing,
    "of another plugin": lambda job: altered(job, "plugin", "another"),
    "said not to have run": lambda job: altered(job, "ran", False),
    "of another duration": lambda job: altered(job, "duration_us", 1_000_000),
    "kept for other jobs": lambda job: altered(job, "cache_key", b"another"),
    "to be tried again": lambda job: altered(job, "retryable", True),
    "altered in place": lambda job: altered(job, "end_time_us", 7),
    "its receipt taken away": lambda job: altered(job, "receipt", None),
    "for another tenant": lambda job: outcome(job._replace(tenant="other")),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("way", ["finish_job", "end_unrun_job", "next_attempt"])
async def test_a_forged_end_is_refused(
    writer: HeldWriter,
    store: SqliteJobStore,
    caplog: pytest.LogCaptureFixture,
    forge: Callable[[Job], Outcome],
    way: str,
) -> None:
    """It raises GovernanceViolation, logged as such, and writes nothing; the job's own end is taken afterwards."""
    job = new_job(3)  # which fails, as every job does that ends without a run
    await store.create_job(job, deferred=False)
    if way != "end_unrun_job":
        store.defer_start(job.id, 201)
        await writer.submit(lambda tx: tx.execute("SELECT 1"))
        job = job._replace(attempt=1, start_time_us=201)
    before = writer.rows(ROWS), writer.rows(COUNTS)
    with pytest.raises(GovernanceViolation):
        await getattr(store, way)(job, forge(job))
    assert [(record.name, record.levelname) for record in caplog.records] == [("runward.governance", "ERROR")]
    assert (writer.rows(ROWS), writer.rows(COUNTS)) == before
    assert await getattr(store, way)(job, outcome(job)) > 0


async def test_the_same_outcome_is_taken_again(writer: HeldWriter, store: SqliteJobStore) -> None:
    """An end that could not be stored when it came can be tried again until it is; then it is stored once, and the
    chain has one entry.
    """
    job = new_job(1)
    await store.create_job(job, deferred=False)
    begun = job._replace(attempt=1, start_time_us=201)
    end = outcome(begun)
    assert await store.finish_job(begun, end) == 0  # its start is not stored yet
    store.defer_start(job.id, 201)
    assert await store.finish_job(begun, end) > 0
    assert await store.finish_job(begun, end) == 0
    assert writer.rows("SELECT success_count FROM plugin_counter") == [(1,)]
    assert writer.rows("SELECT seq, job_id FROM receipt_chain") == [(1, job.id)]


def test_an_outcome_is_signed_once() -> None:
    """A second receipt is refused: nothing puts another in the place of ToolRunner's."""
    own = outcome(new_job(1))
    assert own.receipt is not None
    with pytest.raises(ValueError, match="once"):
        own.accept(own.receipt)
