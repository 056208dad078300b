"""Receipts, audits and provenance, with real servers and the real command line."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_operator import admin, command

if TYPE_CHECKING:
    from pathlib import Path

    from runward import Job

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def audit(data: Path, key: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of an audit."""
    status, output, errors = await admin(
        "audit", "--data-dir", str(data), "--receipt-key", str(key), "--json", *arguments
    )
    assert errors == ""
    return status, json.loads(output)


async def some_jobs(data: Path, key: Path, count: int = 4) -> list[Job]:
    """Finished jobs of a server that has stopped."""
    async with (
        ServerProcess(data, "--receipt-key", str(key), plugins=("Noop",)) as server,
        runward.connect(server.address) as rw,
    ):
        return [await rw.get((await rw.analyze("noop", bytes([number]), **IMAGE)).id) for number in range(count)]


async def test_an_audit_locates_what_was_done_to_the_data(tmp_path: Path) -> None:
    """Whole at first; then an edited result, a removed row, a reordered pair and a tail that was cut off are each
    named, with exit code 1.
    """
    key, head = tmp_path / "receipt.key", tmp_path / "head.json"
    jobs = await some_jobs(tmp_path / "data", key)
    status, report = await audit(tmp_path / "data", key, "--export-head", str(head), "--images")
    assert (status, report["verdict"], report["receipts"], report["images"]) == (0, "WHOLE", 4, 4)
    swap = "UPDATE receipt_chain SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4)"
    damages: dict[str, tuple[list[str], set[tuple[str, int]]]] = {
        "edited": ([f"UPDATE job SET result = x'0a00' WHERE id = '{jobs[1].id}'"], {("JOB_EDITED", 3)}),
        "removed": ([f"DELETE FROM job WHERE id = '{jobs[2].id}'"], {("JOB_REMOVED", 4)}),
        "reordered": (
            ["PRAGMA ignore_check_constraints = ON", swap, "UPDATE receipt_chain SET seq = -seq WHERE seq < 0"],
            {("ENTRY_MOVED", 3), ("ENTRY_MOVED", 4)},
        ),
        "cut off": (
            ["DELETE FROM receipt_chain WHERE seq > 3", "DELETE FROM job WHERE receipt_seq > 3"],
            {("TAIL_MISSING", 4)},
        ),
    }
    for name, (statements, expected) in damages.items():
        shutil.copytree(tmp_path / "data", tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name / "runward.db", isolation_level=None)) as connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)
        status, report = await audit(tmp_path / name, key, "--head", str(head))
        found = {(one["finding"], one["seq"]) for one in report["findings"]}
        assert (status, expected <= found) == (1, True), (name, report)
        if name in {"edited", "removed", "cut off"}:
            assert found == expected
    text = await admin("audit", "--data-dir", str(tmp_path / "edited"), "--receipt-key", str(key))
    assert text[0] == 1
    assert f"job {jobs[1].id} was edited: output" in text[1]


async def test_what_is_removed_by_hand_is_entered(tmp_path: Path) -> None:
    """The collector by hand enters what it removes with the server's key, and takes no other."""
    data, key, other = tmp_path / "data", tmp_path / "receipt.key", tmp_path / "other.key"
    await some_jobs(data, key)
    other.write_text("ab" * 32 + "\n")
    other.chmod(0o600)
    gc = ("gc", "--data-dir", str(data), "--retain-jobs", "1", "--receipt-key")
    status, _, errors = await admin(*gc, str(other))
    assert (status, "not the receipt keys of the server" in errors) == (1, True)
    assert (await admin(*gc, str(key)))[0] == 0
    status, report = await audit(data, key)
    assert (status, report["verdict"], report["receipts"], report["entries"]) == (0, "WHOLE", 4, 6)


async def test_keys_are_rotated_and_lost(tmp_path: Path) -> None:
    """After a rotation all is verified; without the old keys the server starts, and the audit says what it cannot
    verify and ends with 5.
    """
    data, key = tmp_path / "data", tmp_path / "receipt.key"
    await some_jobs(data, key, 2)
    assert (await admin("rotate-key", "--receipt-key", str(key)))[0] == 0
    jobs = await some_jobs(data, key, 1)
    assert jobs[0].receipt is not None
    status, report = await audit(data, key)
    assert (status, report["verdict"], report["entries"]) == (0, "WHOLE", 5)
    key.unlink()
    await some_jobs(data, key, 1)
    status, report = await audit(data, key)
    assert (status, report["verdict"], report["findings"]) == (5, "UNVERIFIABLE", [])
    assert [(part["first"], part["last"]) for part in report["unverifiable"]] == [(1, 3), (4, 5)]


async def test_a_result_has_a_provenance_that_is_verified_without_the_server(tmp_path: Path) -> None:
    """The statement is exported, holds with the key, and does not once a subject, input or receipt is changed."""
    data, key, file = tmp_path / "data", tmp_path / "receipt.key", tmp_path / "statement.json"
    async with (
        ServerProcess(data, "--receipt-key", str(key), plugins=("Noop",)) as server,
        runward.connect(server.address) as rw,
    ):
        job = await rw.analyze("noop", b"x", **IMAGE)
        done = await command("provenance", job.id, "-o", str(file), "--server", server.address)
        assert done[0] == 0, done
    statement = json.loads(file.read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "result", "digest": {"sha256": job.output_digest.removeprefix("sha256:")}}]
    changes: dict[str, Any] = {
        "$.subject[0].digest.sha256": lambda told: told["subject"][0]["digest"].update(sha256="0" * 64),
        "$.predicate.buildDefinition.resolvedDependencies[0].digest.sha256": lambda told: told["predicate"][
            "buildDefinition"
        ]["resolvedDependencies"][0]["digest"].update(sha256="0" * 64),
        "$.predicate.buildDefinition.externalParameters.plugin": lambda told: told["predicate"]["buildDefinition"][
            "externalParameters"
        ].update(plugin="ocr"),
        "the receipt is not": lambda told: told["predicate"]["runDetails"]["byproducts"][0]["annotations"].update(
            mac="0"
        ),
    }
    verify = ("verify-provenance", str(file), "--receipt-key", str(key))
    assert (await command(*verify))[0] == 0
    for told, change in changes.items():
        changed = json.loads(json.dumps(statement))
        change(changed)
        file.write_text(json.dumps(changed))
        status, output, _ = await command(*verify)
        assert (status, told in output) == (1, True), output
    file.write_text(json.dumps(statement))
    assert (await admin("rotate-key", "--receipt-key", str(key)))[0] == 0
    assert (await command(*verify))[0] == 0
    key.write_text("ab" * 32 + "\n")
    status, _, errors = await command(*verify)
    assert (status, "not at hand" in errors) == (1, True)


async def test_a_receipt_is_in_the_answer_and_fits_the_job(tmp_path: Path) -> None:
    """GetJob tells the document, which names what the job says, and a MAC that the key gives; a list has none."""
    key = tmp_path / "receipt.key"
    (job,) = await some_jobs(tmp_path / "data", key, 1)
    assert job.receipt is not None
    secret = bytes.fromhex(key.read_text().split()[-1])
    assert hmac.new(secret, job.receipt.document.encode(), hashlib.sha256).hexdigest() == job.receipt.mac
    told = json.loads(job.receipt.document)
    assert (told["job"]["id"], told["output"]["digest"]) == (job.id, job.output_digest)
    assert (told["input"]["digest"], told["outcome"]["status"]) == (job.payload.image_digest, "SUCCESS")


async def test_a_worker_is_given_nothing_of_the_key(tmp_path: Path) -> None:
    """Neither the key nor where it lies is in a worker's environment, arguments or descriptors."""
    key = tmp_path / "secret-place" / "receipt.key"
    async with (
        ServerProcess(tmp_path / "data", "--receipt-key", str(key), plugins=("snooping:Snoop",)) as server,
        runward.connect(server.address) as rw,
    ):
        found = json.dumps((await rw.analyze("snoop", b"x", **IMAGE)).result)
    assert "/proc/self/fd" not in found
    assert "socket" in found
    for secret in (key.read_text().split()[-1], "secret-place", "receipt.key", "RECEIPT_KEY"):
        assert secret not in found


async def test_a_server_does_not_start_with_a_key_that_attests_nothing(tmp_path: Path) -> None:
    """In the data folder, or where others can read it: refused with a sentence."""
    data, key = tmp_path / "data", tmp_path / "receipt.key"
    key.write_text("ab" * 32 + "\n")
    key.chmod(0o644)
    for path, why in ((data / "receipt.key", "in the data folder"), (key, "chmod 600")):
        status, _, errors = await command("serve", "--data-dir", str(data), "--receipt-key", str(path))
        assert (status, why in errors) == (1, True), errors
