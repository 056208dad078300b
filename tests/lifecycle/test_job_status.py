"""The statuses of a job: the table of the domain, the triggers and the CHECKs say the same."""

from __future__ import annotations

import itertools
import sqlite3
import uuid

import pytest

from runward_service.domain.job import JOB_TRANSITIONS, TERMINAL_STATUSES, JobMode, JobStatus
from runward_service.domain.plugin_state import PluginState
from tests.harness.rows import FAIL, RUN, SUCCEED, add_receipt, change, insert, job_in, last_revision

STATUSES = list(JobStatus)
ASSIGNMENTS = {
    JobStatus.PENDING: "status = 1, start_time = 0, end_time = 0, result = NULL, error_reason = NULL",
    JobStatus.RUNNING: "status = 2, start_time = 20, end_time = 0, result = NULL, error_reason = NULL",
    JobStatus.SUCCESS: "status = 3, start_time = 20, end_time = 30, result = x'00', error_reason = NULL, attempt = 1",
    JobStatus.FAILED: "status = 4, start_time = 20, end_time = 30, result = NULL, error_reason = 'TIMEOUT'",
}
"""What fits each status, so that nothing but the transition itself can be refused."""
LEGAL = {
    (JobStatus.PENDING, JobStatus.RUNNING),
    (JobStatus.RUNNING, JobStatus.SUCCESS),
    (JobStatus.RUNNING, JobStatus.FAILED),
}
"""The specification's section 4, written out once more on purpose."""


def test_there_are_four_statuses_with_the_numbers_of_the_api() -> None:
    """Nothing but PENDING, RUNNING, SUCCESS and FAILED exists."""
    assert [(status.name, status.value) for status in JobStatus] == [
        ("PENDING", 1),
        ("RUNNING", 2),
        ("SUCCESS", 3),
        ("FAILED", 4),
    ]


def test_the_domain_table_is_the_specification() -> None:
    """The table admits PENDING to RUNNING to SUCCESS or FAILED, and nothing else."""
    table = {(before, after) for before, followers in JOB_TRANSITIONS.items() for after in followers}
    assert table == LEGAL
    assert set(JOB_TRANSITIONS) == set(JobStatus)


def test_terminal_is_what_nothing_follows() -> None:
    """A status is terminal exactly where the table gives it no follower."""
    assert {status for status in JobStatus if status.terminal} == {s for s in JobStatus if not JOB_TRANSITIONS[s]}
    assert {JobStatus.SUCCESS, JobStatus.FAILED} == TERMINAL_STATUSES


def test_job_statuses_and_plugin_states_are_different_things() -> None:
    """The two machines share no type and no value; SUCCESS is no plugin state, and equal words are not equal."""
    assert not issubclass(JobStatus, PluginState)
    assert not issubclass(PluginState, JobStatus)
    assert set(JobStatus).isdisjoint(set(PluginState))
    assert "SUCCESS" not in PluginState.__members__


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(STATUSES, STATUSES)), ids=lambda status: status.name
)
def test_the_database_admits_the_transitions_of_the_table(
    shared_database: sqlite3.Connection, before: JobStatus, after: JobStatus
) -> None:
    """An UPDATE from any status to any other passes exactly where the domain's table has it; an unfinished job may
    stay.
    """
    job_id = job_in(shared_database, before)
    legal = after in JOB_TRANSITIONS[before] or (before is after and not before.terminal)
    if legal:
        change(shared_database, job_id, ASSIGNMENTS[after])
    else:
        with pytest.raises(sqlite3.IntegrityError, match=r"transition of a job status|finished job does not change"):
            change(shared_database, job_id, ASSIGNMENTS[after])
    stored = shared_database.execute("SELECT status FROM job WHERE id = ?", (job_id,)).fetchone()[0]
    assert stored == (after if legal else before)


@pytest.mark.parametrize("status", [status for status in STATUSES if status is not JobStatus.PENDING])
def test_a_job_starts_pending(shared_database: sqlite3.Connection, status: JobStatus) -> None:
    """A row cannot be inserted in any other status, however well its other columns fit."""
    columns = {
        JobStatus.RUNNING: {"start_time": 20, "attempt": 1},
        JobStatus.SUCCESS: {"start_time": 20, "attempt": 1, "end_time": 30, "result": b"\0"},
        JobStatus.FAILED: {"start_time": 20, "end_time": 30, "error_reason": "TIMEOUT"},
    }[status]
    with pytest.raises(sqlite3.IntegrityError, match="a job starts PENDING"):
        insert(shared_database, status=status.value, **columns)


WHOLE = {"mode": 1, "start_time": 20, "attempt": 1, "end_time": 30, "change_time": 30}
"""What fits a SYNC job that is inserted with its end."""


@pytest.mark.parametrize("status", sorted(TERMINAL_STATUSES), ids=lambda status: status.name)
def test_a_job_that_is_inserted_with_its_end_has_lived(shared_database: sqlite3.Connection, status: JobStatus) -> None:
    """With its receipt, a SYNC job's only attempt may be inserted as a whole; its log then tells all three statuses,
    each at its time.
    """
    job_id, first = str(uuid.uuid4()), last_revision(shared_database) + 1
    end = {"result": b"\0"} if status is JobStatus.SUCCESS else {"error_reason": "TIMEOUT"}
    receipt = add_receipt(shared_database, job_id)
    insert(shared_database, id=job_id, status=status.value, receipt_seq=receipt, revision=first + 2, **WHOLE, **end)
    events = shared_database.execute(
        "SELECT revision, status, attempt, time FROM job_event WHERE revision >= ? ORDER BY revision", (first,)
    ).fetchall()
    assert events == [(first, 1, 0, 10), (first + 1, 2, 1, 20), (first + 2, status.value, 1, 30)]
    with pytest.raises(sqlite3.IntegrityError, match="finished job does not change"):
        change(shared_database, job_id, ASSIGNMENTS[JobStatus.RUNNING])


@pytest.mark.parametrize(
    "wrong", ["another job's receipt", "a removed receipt", "mode", "attempt", "revision", "no result"]
)
def test_no_other_job_is_inserted_with_its_end(shared_database: sqlite3.Connection, wrong: str) -> None:
    """Not with the receipt of another or of a removed job, not for a job that nobody waits for, not in a later attempt,
    not without room for the events before.
    """
    job_id, revision = str(uuid.uuid4()), last_revision(shared_database) + 3
    receipt = add_receipt(shared_database, str(uuid.uuid4()) if wrong == "another job's receipt" else job_id)
    if wrong == "a removed receipt":
        shared_database.execute("UPDATE receipt_chain SET removed_by = seq WHERE seq = ?", (receipt,))
    columns = {**WHOLE, "result": None if wrong == "no result" else b"\0"}
    if wrong in {"mode", "attempt"}:
        columns[wrong] = 2
    if wrong == "revision":
        revision = 2
    with pytest.raises(sqlite3.IntegrityError):
        insert(shared_database, id=job_id, status=3, receipt_seq=receipt, revision=revision, **columns)


@pytest.mark.parametrize("number", [0, 5, -1])
def test_no_fifth_status_exists(shared_database: sqlite3.Connection, number: int) -> None:
    """Neither an INSERT nor an UPDATE brings in another number."""
    with pytest.raises(sqlite3.IntegrityError):
        insert(shared_database, status=number, start_time=20)
    job_id = job_in(shared_database, JobStatus.RUNNING)
    with pytest.raises(sqlite3.IntegrityError):
        change(shared_database, job_id, f"status = {number}")


@pytest.mark.parametrize("status", sorted(TERMINAL_STATUSES), ids=lambda status: status.name)
@pytest.mark.parametrize(
    "assignment",
    [
        "result = x'01'",
        "error_message = 'another'",
        "end_time = 31",
        "owner = 'p'",
        "attempt = attempt + 1",
        "cancel_requested = 1",
        'labels = \'{"a":"b"}\'',
        "plugin = 'other'",
        "progress_fraction = 0.5",
    ],
)
def test_a_finished_job_does_not_change(
    shared_database: sqlite3.Connection, status: JobStatus, assignment: str
) -> None:
    """No column of a terminal row can be written, under no revision."""
    job_id = job_in(shared_database, status)
    before = shared_database.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
    with pytest.raises(sqlite3.IntegrityError, match="a finished job does not change"):
        change(shared_database, job_id, assignment)
    with pytest.raises(sqlite3.IntegrityError, match=r"a finished job does not change|takes a new revision"):
        shared_database.execute(f"UPDATE job SET {assignment} WHERE id = ?", (job_id,))
    assert shared_database.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone() == before


@pytest.mark.parametrize(
    ("status", "assignment"),
    [
        (JobStatus.PENDING, RUN),
        (JobStatus.RUNNING, SUCCEED),
        (JobStatus.RUNNING, FAIL),
        (JobStatus.RUNNING, "attempt = attempt + 1"),
        (JobStatus.RUNNING, "progress_fraction = 0.5"),
        (JobStatus.RUNNING, "progress_message = 'half'"),
    ],
)
def test_every_change_takes_a_new_revision(
    shared_database: sqlite3.Connection, status: JobStatus, assignment: str
) -> None:
    """Status, attempt and progress cannot change under the old revision, an older one, or none."""
    job_id = job_in(shared_database, status)
    revision = shared_database.execute("SELECT revision FROM job WHERE id = ?", (job_id,)).fetchone()[0]
    for stale in (revision, revision - 1):
        with pytest.raises(sqlite3.IntegrityError, match="takes a new revision"):
            change(shared_database, job_id, assignment, revision=stale)
    with pytest.raises(sqlite3.IntegrityError, match=r"takes a new revision|ends with a receipt"):
        shared_database.execute(f"UPDATE job SET {assignment} WHERE id = ?", (job_id,))


def test_a_revision_does_not_fall(database: sqlite3.Connection) -> None:
    """Not even by itself, to a number that is free: the log would be out of order."""
    job_id = job_in(database, JobStatus.RUNNING)
    change(database, job_id, "progress_fraction = 0.5", revision=10)
    with pytest.raises(sqlite3.IntegrityError, match="takes a new revision"):
        change(database, job_id, "owner = 'p'", revision=5)


@pytest.mark.parametrize("attempt", [0, 3, 100])
def test_attempts_rise_by_one(shared_database: sqlite3.Connection, attempt: int) -> None:
    """A RUNNING job's attempt goes up by one at a time, never back and never by two."""
    job_id = job_in(shared_database, JobStatus.RUNNING)
    with pytest.raises(sqlite3.IntegrityError, match="attempts rise by one"):
        change(shared_database, job_id, f"attempt = {attempt}")
    change(shared_database, job_id, "attempt = attempt + 1")
    assert shared_database.execute("SELECT attempt FROM job WHERE id = ?", (job_id,)).fetchone() == (2,)


@pytest.mark.parametrize(
    "columns",
    [
        {"start_time": 20},
        {"end_time": 30},
        {"attempt": 1},
        {"result": b"\0"},
        {"error_reason": "TIMEOUT"},
        {"lost_attempts": 1},
        {"revision": 0},
        {"timeout": 0},
        {"plugin": ""},
        {"mime_type": ""},
        {"mode": 3},
        {"options": "{"},
        {"labels": "no"},
        {"max_attempts": 0},
        {"id": "short"},
        {"image_seq": 2},
        {"claimable": 1, "mode": JobMode.SYNC.value},
        {"claimable": 1, "owner": "someone"},
        {"cancel_requested": 2},
    ],
    ids="-".join,
)
def test_what_a_pending_job_cannot_have(shared_database: sqlite3.Connection, columns: dict[str, object]) -> None:
    """A PENDING row has no start, end, attempt, result or error, and every column is within its rules."""
    with pytest.raises(sqlite3.IntegrityError, match="constraint failed"):
        insert(shared_database, **columns)


@pytest.mark.parametrize(
    ("status", "assignment"),
    [
        (JobStatus.PENDING, "status = 2, attempt = 1"),
        (JobStatus.RUNNING, "end_time = 30, progress_message = 'x'"),
        (JobStatus.RUNNING, "result = x'00', progress_message = 'x'"),
        (JobStatus.RUNNING, "error_reason = 'TIMEOUT', progress_message = 'x'"),
        (JobStatus.RUNNING, "start_time = 0, progress_message = 'x'"),
        (JobStatus.RUNNING, "status = 3, end_time = 30"),
        (JobStatus.RUNNING, "status = 3, result = x'00'"),
        (JobStatus.RUNNING, "status = 3, result = x'00', end_time = 30, error_reason = 'TIMEOUT'"),
        (JobStatus.RUNNING, "status = 4, end_time = 30"),
        (JobStatus.RUNNING, "status = 4, error_reason = 'TIMEOUT'"),
        (JobStatus.RUNNING, "status = 4, error_reason = 'TIMEOUT', end_time = 30, result = x'00'"),
        (JobStatus.RUNNING, "status = 4, error_reason = 'TIMEOUT', end_time = 30, error_details = '{'"),
        (JobStatus.RUNNING, "status = 3, result = x'00', end_time = 30, claimable = 1, owner = ''"),
        (JobStatus.RUNNING, "progress_fraction = 1.5"),
        (JobStatus.RUNNING, "progress_fraction = -0.1"),
        (JobStatus.RUNNING, "lost_attempts = 2, progress_message = 'x'"),
    ],
)
def test_times_results_and_errors_fit_the_status(
    shared_database: sqlite3.Connection, status: JobStatus, assignment: str
) -> None:
    """A start without RUNNING, an end without a terminal status, a result without SUCCESS, an error without FAILED:
    refused.
    """
    job_id = job_in(shared_database, status)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        change(shared_database, job_id, assignment)


def test_success_needs_an_attempt(shared_database: sqlite3.Connection) -> None:
    """A job that never ran can end FAILED (cancelled, expired), never SUCCESS."""
    job_id = insert(shared_database)
    change(shared_database, job_id, "status = 2, start_time = 20")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        change(shared_database, job_id, SUCCEED)
    change(shared_database, job_id, FAIL)


def test_every_change_writes_its_event(database: sqlite3.Connection) -> None:
    """Insert, start, progress, next attempt and finish each leave one event with the row's state at that revision."""
    job_id = insert(database)
    change(database, job_id, RUN)
    change(database, job_id, "progress_fraction = 0.5, progress_message = 'half', change_time = 25")
    change(database, job_id, "attempt = 2, progress_fraction = NULL, progress_message = '', change_time = 26")
    change(database, job_id, SUCCEED)
    columns = "revision, status, attempt, time, progress_fraction, progress_message"
    events = database.execute(f"SELECT {columns} FROM job_event ORDER BY revision").fetchall()
    assert events == [
        (1, 1, 0, 10, None, ""),
        (2, 2, 1, 20, None, ""),
        (3, 2, 1, 25, 0.5, "half"),
        (4, 2, 2, 26, None, ""),
        (5, 3, 2, 30, None, ""),
    ]


def test_a_refused_change_leaves_no_event(database: sqlite3.Connection) -> None:
    """Row and event are one statement: where the row is refused, the log does not grow."""
    job_id = job_in(database, JobStatus.SUCCESS)
    before = database.execute("SELECT count(*) FROM job_event").fetchone()
    with pytest.raises(sqlite3.IntegrityError):
        change(database, job_id, FAIL)
    assert database.execute("SELECT count(*) FROM job_event").fetchone() == before


@pytest.mark.parametrize("assignment", ["status = 3", "attempt = 7", "time = 0", "progress_message = 'no'"])
def test_events_do_not_change(shared_database: sqlite3.Connection, assignment: str) -> None:
    """History is not rewritten."""
    job_in(shared_database, JobStatus.RUNNING)
    with pytest.raises(sqlite3.IntegrityError, match="events do not change"):
        shared_database.execute(f"UPDATE job_event SET {assignment}")


def test_a_revision_is_never_given_out_twice(database: sqlite3.Connection) -> None:
    """Not even when the events at the end of the log are gone does a later change get an old revision."""
    job_in(database, JobStatus.SUCCESS)
    last = last_revision(database)
    database.execute("DELETE FROM job")
    assert database.execute("SELECT count(*) FROM job_event").fetchone() == (0,)
    insert(database)
    assert database.execute("SELECT revision FROM job").fetchone() == (last + 1,)


def test_two_jobs_cannot_share_a_request_id(shared_database: sqlite3.Connection) -> None:
    """A request id belongs to one job of a principal; another principal or tenant may use the same."""
    insert(shared_database, request_id="r", principal="p")
    insert(shared_database, request_id="r", principal="q")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        insert(shared_database, request_id="r", principal="p")
