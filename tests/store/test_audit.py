"""The audit finds what was edited, removed, put in another order or cut off, and says where."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runward_service.domain.audit_report import Finding
from runward_service.domain.job import ANONYMOUS
from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.audit import audit
from runward_service.store.chain_shortening import LEAST_ENTRIES
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.store.transitions import StartJob
from tests.store.jobs import CHAIN, KEYS, OWNER, new_job
from tests.store.removals import FAR, create, finish, finish_of, finished
from tests.store.test_backup import quiet

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.audit_report import AuditFinding, AuditReport, Head
    from runward_service.domain.job import Job
    from tests.store.held_writer import HeldWriter

OTHER_KEY = ReceiptKey(b"\2" * 32)
SWAP = "UPDATE receipt_chain SET seq = CASE seq WHEN {0} THEN {1} ELSE {0} END WHERE seq IN ({0}, {1})"


async def history(writer: HeldWriter, count: int = 9) -> list[Job]:
    """A chain that was begun, and finished jobs: the receipt of job ``n`` is entry ``n`` + 2."""
    await writer.submit(CHAIN.begin)
    return await finished(writer, count)


def tamper(writer: HeldWriter, *statements: str) -> None:
    """Change the file as only somebody could who goes around the service, its triggers too."""
    with closing(sqlite3.connect(writer.database.path, isolation_level=None)) as connection:
        triggers = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount, statement


def audited(writer: HeldWriter, keys: ReceiptKeys = KEYS, head: Head | None = None) -> AuditReport:
    """What an audit says now."""
    return audit(writer.database, keys, quiet, head=head)


def only(report: AuditReport) -> AuditFinding:
    """The one finding."""
    assert report.finding_count == len(report.findings) == 1, report.findings
    assert report.verdict == "BROKEN"
    return report.findings[0]


async def test_nothing_is_wrong_with_what_nobody_touched(writer: HeldWriter) -> None:
    """Successes, failures, a deletion and an expiry: the audit is content, and counts what it looked at."""
    jobs = await history(writer)
    removal = SqliteJobRemoval(writer, lambda digest: writer.database.images / digest, CHAIN)
    await removal.delete_job(jobs[4].id, ANONYMOUS)
    await removal.compact_log(RetentionPolicy(FAR, 6), now=0)
    report = audited(writer)
    assert (report.findings, report.notes, report.unverifiable) == ([], [], {})
    assert (report.verdict, report.entries, report.receipts) == ("WHOLE", 12, 9)


EDITS = {
    "the result": ("result = x'0a00' WHERE id = '{1}'", 1, {"output"}),
    "the output digest": ("output_digest = 'sha256:other' WHERE id = '{2}'", 2, {"output"}),
    "a success made a failure": (
        "status = 4, result = NULL, error_reason = 'TIMEOUT', error_message = '', error_details = '{{}}', "
        "error_plugin = '', error_time = 1 WHERE id = '{1}'",
        1,
        {"outcome", "output", "error"},
    ),
    "an error's message": ("error_message = 'it went well' WHERE id = '{3}'", 3, {"error"}),
    "an error's details": ("error_details = '{{}}' WHERE id = '{6}'", 6, {"error"}),
    "the options": ("options = '{{\"n\":0}}' WHERE id = '{5}'", 5, {"options"}),
    "the start": ("start_time = 1 WHERE id = '{0}'", 0, {"times"}),
    "the end": ("end_time = 1 WHERE id = '{8}'", 8, {"times"}),
    "the plugin's version": ("plugin_version = '2' WHERE id = '{4}'", 4, {"plugin"}),
    "the code": ("code_digest = 'x' WHERE id = '{4}'", 4, {"plugin"}),
    "the caller": ("tenant = 'other' WHERE id = '{4}'", 4, {"job"}),
    "the labels": ("labels = '{{\"a\":\"b\"}}' WHERE id = '{4}'", 4, {"request"}),
    "a wish for a run": ("skip_cache = 1 WHERE id = '{4}'", 4, {"request"}),
    "the type": ("mime_type = 'image/jpeg' WHERE id = '{4}'", 4, {"input"}),
    "the image": ("image_seq = 1 WHERE id = '{4}'", 4, {"input"}),
    "the attempt": ("attempt = 2 WHERE id = '{4}'", 4, {"outcome"}),
    "cached": ("cached = 1 WHERE id = '{4}'", 4, {"outcome"}),
    "the revision": ("revision = 1000 WHERE id = '{4}'", 4, {"revision"}),
    "the marks": ("receipt_marks = x'' WHERE id = '{4}'", 4, set()),
    "an error of a success": ("error_message = 'it failed' WHERE id = '{1}'", 1, {"error"}),
    "the progress": ("progress_message = 'nearly there' WHERE id = '{1}'", 1, {"log"}),
    "what is no text": ("plugin = CAST(x'ff' AS TEXT) WHERE id = '{4}'", 4, {"unreadable"}),
    "what nobody can read": ("error_reason = 'BECAUSE' WHERE id = '{6}'", 6, {"unreadable"}),
}


@pytest.mark.parametrize(("edit", "number", "parts"), EDITS.values(), ids=EDITS)
async def test_an_edited_row_is_found(writer: HeldWriter, edit: str, number: int, parts: set[str]) -> None:
    """The finding names the job, its entry, and what of it is not what was signed."""
    jobs = await history(writer)
    tamper(writer, f"UPDATE job SET {edit.format(*(job.id for job in jobs))}")
    if not parts:  # the marks only help to tell what was edited
        assert audited(writer).verdict == "WHOLE"
        return
    found = only(audited(writer))
    assert (found.finding, found.job_id, found.seq) == (Finding.JOB_EDITED, jobs[number].id, number + 2)
    assert set(found.parts) == parts


async def test_the_end_of_another_is_found(writer: HeldWriter) -> None:
    """A job that was given all that belongs to the end of another, its receipt too."""
    jobs = await history(writer)
    names = "result, output_digest, end_time, code_digest, receipt_seq, receipt_marks"
    columns = ", ".join(f"{name} = (SELECT {name} FROM job WHERE id = '{{0}}')" for name in names.split(", "))
    tamper(writer, f"UPDATE job SET {columns.format(jobs[2].id)} WHERE id = '{jobs[1].id}'")
    found = audited(writer).findings
    assert {(one.finding, one.job_id) for one in found} == {
        (Finding.JOB_EDITED, jobs[1].id),
        (Finding.JOB_WITHOUT_RECEIPT, jobs[1].id),
    }
    assert {"job", "receipt_seq"} <= set(found[0].parts)


async def test_a_removed_row_is_found(writer: HeldWriter) -> None:
    """A row that is gone, and of whose removal the chain tells nothing."""
    jobs = await history(writer)
    tamper(writer, f"DELETE FROM job WHERE id = '{jobs[3].id}'")
    found = only(audited(writer))
    assert (found.finding, found.job_id, found.seq) == (Finding.JOB_REMOVED, jobs[3].id, 5)


async def test_a_removal_that_was_made_up_is_found(writer: HeldWriter) -> None:
    """A row that is gone is not excused by a mark alone, nor by the removal of another."""
    jobs = await history(writer)
    removal = SqliteJobRemoval(writer, lambda digest: writer.database.images / digest, CHAIN)
    await removal.delete_job(jobs[0].id, ANONYMOUS)
    tamper(
        writer,
        f"DELETE FROM job WHERE id = '{jobs[3].id}'",
        f"UPDATE receipt_chain SET removed_by = 11 WHERE job_id = '{jobs[3].id}'",
    )
    assert only(audited(writer)).job_id == jobs[3].id
    tamper(
        writer,
        "UPDATE receipt_chain SET removed_by = NULL, content = replace(content, '[2,2]', '[2,5]') WHERE seq = 11",
    )
    tamper(writer, "UPDATE receipt_chain SET removed_by = 11 WHERE seq IN (2, 5)")
    found = only(audited(writer))
    assert (found.finding, found.seq) == (Finding.ENTRY_EDITED, 11)


async def test_a_row_that_came_back_is_found(writer: HeldWriter) -> None:
    """A deleted job's row that somebody kept and put back."""
    jobs = await history(writer)
    tamper(writer, f"CREATE TABLE kept AS SELECT * FROM job WHERE id = '{jobs[3].id}'")
    written = "seq, tenant, digest, size_bytes, create_time, data"
    tamper(writer, f"CREATE TABLE kept_image AS SELECT {written} FROM image")
    removal = SqliteJobRemoval(writer, lambda digest: writer.database.images / digest, CHAIN)
    await removal.delete_job(jobs[3].id, ANONYMOUS)
    put_back = f"INSERT OR IGNORE INTO image ({written}) SELECT {written} FROM kept_image"
    tamper(writer, put_back, "INSERT INTO job SELECT * FROM kept")
    found = only(audited(writer))
    assert (found.finding, found.job_id) == (Finding.JOB_RETURNED, jobs[3].id)


@pytest.mark.parametrize("receipt_seq", ["NULL", "3", "700"])
async def test_a_row_that_nobody_ran_is_found(writer: HeldWriter, receipt_seq: str) -> None:
    """A row without a receipt, with another job's, or with one that never was."""
    jobs = await history(writer)
    tamper(
        writer,
        f"CREATE TABLE made AS SELECT * FROM job WHERE id = '{jobs[2].id}'",
        f"UPDATE made SET seq = 99, id = '{'f' * 36}', revision = 99, receipt_seq = {receipt_seq}",
        "INSERT INTO job SELECT * FROM made",
    )
    found = only(audited(writer))
    assert (found.finding, found.job_id) == (Finding.JOB_WITHOUT_RECEIPT, "f" * 36)


@pytest.mark.parametrize("column", ["receipt = randomblob(32)", "mac = randomblob(32)", "job_id = upper(job_id)"])
async def test_an_edited_entry_is_found(writer: HeldWriter, column: str) -> None:
    """Exactly that entry, also where the one after it does not fit it any more; what is left of a job is told too."""
    await history(writer)
    tamper(writer, f"UPDATE receipt_chain SET {column} WHERE seq = 5")
    found = {(one.finding, one.seq) for one in audited(writer).findings}
    assert (Finding.ENTRY_EDITED, 5) in found
    assert {seq for finding, seq in found if finding in {Finding.ENTRY_EDITED, Finding.ENTRY_MOVED}} == {5}


@pytest.mark.parametrize(("one", "other"), [(4, 5), (3, 9), (2, 10)])
async def test_a_reordered_pair_is_found(writer: HeldWriter, one: int, other: int) -> None:
    """Two entries in each other's place are named as such, and no other."""
    await history(writer)
    tamper(
        writer,
        f"UPDATE receipt_chain SET seq = 1000 WHERE seq = {one}",
        f"UPDATE receipt_chain SET seq = {one} WHERE seq = {other}",
        f"UPDATE receipt_chain SET seq = {other} WHERE seq = 1000",
    )
    found = [item for item in audited(writer).findings if item.finding is not Finding.JOB_WITHOUT_RECEIPT]
    assert {(item.finding, item.seq) for item in found} == {(Finding.ENTRY_MOVED, one), (Finding.ENTRY_MOVED, other)}
    assert str(other) in found[0].message


async def test_a_missing_entry_is_found(writer: HeldWriter) -> None:
    """Entries that are gone from the middle or the beginning, and the jobs that lack them."""
    jobs = await history(writer)
    tamper(writer, "DELETE FROM receipt_chain WHERE seq IN (4, 5)")
    found = audited(writer).findings
    assert [(one.finding, one.seq) for one in found if not one.job_id] == [(Finding.ENTRIES_MISSING, 4)]
    assert {one.job_id for one in found if one.job_id} == {jobs[2].id, jobs[3].id}
    tamper(writer, "DELETE FROM receipt_chain WHERE seq < 4")
    assert (Finding.ENTRIES_MISSING, 1) in {(one.finding, one.seq) for one in audited(writer).findings}


async def test_a_tail_that_was_cut_off_is_found_by_its_head(writer: HeldWriter) -> None:
    """Jobs and entries that went together from the end leave no trace in the data; the exported head tells."""
    jobs = await history(writer)
    head = audited(writer).head
    assert audited(writer, head=head).verdict == "WHOLE"
    tamper(writer, "DELETE FROM receipt_chain WHERE seq > 8", f"DELETE FROM job WHERE seq > {len(jobs) - 2}")
    assert audited(writer).verdict == "WHOLE"
    found = only(audited(writer, head=head))
    assert (found.finding, found.seq) == (Finding.TAIL_MISSING, 9)
    await finished(writer, 3, first=20)  # a chain that went on from there is another one
    assert (Finding.HEAD_DIFFERS, 10) in {(one.finding, one.seq) for one in audited(writer, head=head).findings}


async def test_a_new_key_goes_on_with_the_chain(writer: HeldWriter) -> None:
    """After a rotation both keys verify; the chain tells of the new one once."""
    await history(writer, 3)
    both = ReceiptKeys([KEYS.newest, OTHER_KEY])
    chain = ReceiptChain(both)
    for _ in range(2):
        await writer.submit(chain.begin)
    report = audited(writer, both)
    assert (report.verdict, report.entries) == ("WHOLE", 5)
    ((content,),) = writer.rows("SELECT content FROM receipt_chain WHERE kind = 3")
    assert content == f'{{"previous_key_id":"{KEYS.newest.id}","previous_key_known":true}}'


async def test_a_lost_key_is_never_silent(writer: HeldWriter, caplog: pytest.LogCaptureFixture) -> None:
    """The chain tells that it goes on without the key; the audit says up to where nothing can be verified, and verifies
    what came since.
    """
    await history(writer, 3)
    new = ReceiptKeys([OTHER_KEY])
    await writer.submit(ReceiptChain(new).begin)
    assert "cannot be verified" in caplog.text
    report = audited(writer, new)
    assert (report.verdict, report.findings) == ("UNVERIFIABLE", [])
    part = report.unverifiable[KEYS.newest.id]
    assert (part.first, part.last, part.count) == (1, 4, 4)
    tamper(writer, "UPDATE receipt_chain SET content = replace(content, 'false', 'true') WHERE kind = 3")
    assert only(audited(writer, new)).seq == 5


async def test_jobs_of_before_are_counted(writer: HeldWriter) -> None:
    """Jobs that ended before the chain began have no receipts; a further one is found."""
    jobs = [new_job(number) for number in range(3)]
    await create(writer, jobs)
    tamper(writer, "UPDATE job SET status = 3, end_time = 5, start_time = 4, attempt = 1, result = x'' WHERE seq < 3")
    await writer.submit(CHAIN.begin)
    report = audited(writer)
    assert (report.verdict, report.jobs_before) == ("WHOLE", 2)
    tamper(writer, "UPDATE job SET status = 3, end_time = 5, start_time = 4, attempt = 1, result = x'' WHERE seq = 3")
    assert only(audited(writer)).finding is Finding.JOB_WITHOUT_RECEIPT


async def removed(writer: HeldWriter, count: int) -> SqliteJobRemoval:
    """Finished jobs that have expired, all but the last two."""
    await writer.submit(CHAIN.begin)
    jobs = [new_job(number) for number in range(count)]
    await create(writer, jobs)
    await finish(writer, jobs)
    removal = SqliteJobRemoval(writer, lambda digest: writer.database.images / digest, CHAIN)
    while (await removal.compact_log(RetentionPolicy(FAR, 2), now=0)).more:
        continue
    return removal


async def test_the_chain_goes_with_its_jobs(writer: HeldWriter) -> None:
    """The oldest entries whose jobs are gone go by a checkpoint; the audit goes on from there, also against a head that
    stands at the end, and says what is gone. Jobs that follow do not bring it out of step.
    """
    removal = await removed(writer, LEAST_ENTRIES + 10)
    head = audited(writer).head
    assert audited(writer).entries > LEAST_ENTRIES
    assert (await removal.shorten_chain()).more
    report = audited(writer, head=head)
    assert (report.verdict, report.findings, report.notes) == ("WHOLE", [], [])
    assert report.compacted_upto == LEAST_ENTRIES + 9
    assert report.entries < 20
    assert not (await removal.shorten_chain()).more
    await finished(writer, 3, first=1000)
    assert audited(writer).verdict == "WHOLE"
    tamper(writer, "UPDATE receipt_chain SET content = replace(content, 'upto', 'Upto') WHERE kind = 5")
    found = {(one.finding, one.seq) for one in audited(writer).findings}
    assert {finding for finding, _ in found} == {Finding.ENTRIES_MISSING, Finding.ENTRY_EDITED}


async def test_what_an_audit_would_find_does_not_go_with_the_chain(
    writer: HeldWriter, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a row was removed by hand, or an entry edited, the chain keeps its end, and the log says so once."""
    removal = await removed(writer, LEAST_ENTRIES + 10)
    for edit in (
        "UPDATE receipt_chain SET removed_by = removed_by + 1 WHERE seq = 50",
        "UPDATE receipt_chain SET removed_by = 1 WHERE seq = 50",
        "UPDATE receipt_chain SET mac = randomblob(32) WHERE seq = 50",
        "UPDATE receipt_chain SET kind = 9 WHERE seq = 50",
        "UPDATE receipt_chain SET receipt = NULL WHERE seq = 51",
        "UPDATE receipt_chain SET content = 'nothing' WHERE seq = 1",
    ):
        tamper(writer, "PRAGMA ignore_check_constraints = ON", edit)
        for _ in range(2):
            assert not (await removal.shorten_chain()).more
    assert audited(writer).verdict == "BROKEN"
    assert caplog.text.count("keeps its oldest entries") == 1


async def test_processes_append_in_turn(writer: HeldWriter, tmp_path: Path) -> None:
    """Two writers on one store: one chain, in the order of the commits."""
    from tests.store.held_writer import HeldWriter as Writer  # noqa: PLC0415 - the fixture's class, for a second writer

    await writer.submit(CHAIN.begin)
    other = Writer(writer.database)
    other.start()
    try:
        for number in range(10):
            await finished(other if number % 2 else writer, 2, first=2 * number)
    finally:
        await other.close()
    report = audited(writer)
    assert (report.verdict, report.receipts) == ("WHOLE", 20)


async def test_a_failed_operation_leaves_no_entry(writer: HeldWriter) -> None:
    """Where one of a batch finds no job, the others are written again without a gap in the chain."""
    await writer.submit(CHAIN.begin)
    jobs = [new_job(number) for number in range(6)]
    await create(writer, jobs)
    async with writer.held():
        for job in jobs[::2]:
            writer.submit(StartJob(job.id, OWNER, 50))
        ends = [writer.submit(finish_of(job._replace(attempt=1, start_time_us=50))) for job in jobs]
    answers = [await end for end in ends]
    assert [bool(answer) for answer in answers] == [True, False] * 3
    assert (audited(writer).verdict, audited(writer).receipts) == ("WHOLE", 3)
