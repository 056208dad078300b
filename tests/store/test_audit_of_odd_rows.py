"""The audit goes on to its end over rows that no server writes, and names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runward_service.domain.audit_report import Finding
from runward_service.domain.job import ANONYMOUS
from runward_service.store.job_removal import SqliteJobRemoval
from tests.store.jobs import CHAIN
from tests.store.test_audit import audited, history, only, tamper

if TYPE_CHECKING:
    from tests.store.held_writer import HeldWriter

UNLIKE_ENTRIES = {
    "a kind that there is not": "kind = 9 WHERE seq = 5",
    "a receipt without its MAC": "receipt = NULL WHERE seq = 5",
    "a MAC that is none": "mac = x'00' WHERE seq = 5",
    "a receipt with content": "content = '{}' WHERE seq = 5",
    "content that is no text": "content = CAST(x'ff' AS TEXT) WHERE seq = 11",
    "content that is no object": "content = '[]' WHERE seq = 11",
    "content that tells nothing": "content = '{}' WHERE seq = 11",
    "a removal that is a receipt": "kind = 1 WHERE seq = 11",
    "a beginning that is removed": "removed_by = 11 WHERE seq = 1",
    "another key": "key_id = 'abcdabcdabcdabcd' WHERE seq = 5",
    "another key, and nothing told": "key_id = 'abcdabcdabcdabcd', content = '{}' WHERE seq = 1",
    "a key that is no text": "key_id = CAST(x'ff' AS TEXT) WHERE seq = 5",
}


@pytest.mark.parametrize("edit", UNLIKE_ENTRIES.values(), ids=UNLIKE_ENTRIES)
async def test_an_entry_that_no_server_writes_is_found(writer: HeldWriter, edit: str) -> None:
    """Whatever was written into an entry, the audit goes on to its end, and names it."""
    jobs = await history(writer)
    removal = SqliteJobRemoval(writer, lambda digest: writer.database.images / digest, CHAIN)
    await removal.delete_job(jobs[0].id, ANONYMOUS)
    tamper(writer, "PRAGMA ignore_check_constraints = ON", f"UPDATE receipt_chain SET {edit}")
    report = audited(writer)
    named = {one.seq for one in report.findings if one.finding is Finding.ENTRY_EDITED}
    assert (report.verdict, named) == ("BROKEN", {int(edit.rpartition("= ")[2])})


async def test_a_key_that_is_not_at_hand_hides_no_edit(writer: HeldWriter) -> None:
    """An entry that names another key than that which made it; its job is compared all the same."""
    jobs = await history(writer)
    tamper(
        writer,
        f"UPDATE job SET result = x'0a00' WHERE id = '{jobs[4].id}'",
        "UPDATE receipt_chain SET key_id = 'abcdabcdabcdabcd' WHERE seq = 6",
    )
    report = audited(writer)
    assert [(one.finding, one.seq) for one in report.findings] == [
        (Finding.ENTRY_EDITED, 6),
        (Finding.JOB_EDITED, 6),
    ]
    assert report.unverifiable == {}


@pytest.mark.parametrize("edit", ["SET status = 4", "SET time = 1", "SET attempt = 7", "SET progress_message = 'x'"])
async def test_an_edited_end_in_the_log_is_found(writer: HeldWriter, edit: str) -> None:
    """The log's last change of a finished job is its end; one that is gone is missed, too."""
    jobs = await history(writer)
    end = f"WHERE revision = (SELECT revision FROM job WHERE id = '{jobs[4].id}')"
    tamper(writer, f"UPDATE job_event {edit} {end}")
    found = only(audited(writer))
    assert (found.finding, found.job_id, found.parts) == (Finding.JOB_EDITED, jobs[4].id, ("log",))
    tamper(writer, f"DELETE FROM job_event {end}")
    assert only(audited(writer)).parts == ("log",)


async def test_a_chain_that_is_gone_is_missed(writer: HeldWriter) -> None:
    """With all jobs too: every server begins the chain before it serves."""
    await history(writer)
    tamper(writer, "DELETE FROM receipt_chain", "DELETE FROM job_event", "DELETE FROM job")
    assert (only(audited(writer)).finding, audited(writer).head) == (Finding.ENTRIES_MISSING, None)
