"""A receipt and its entry in the chain, computed again as docs/receipts.md tells it, with nothing of Runward's."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.service import PNG, analyze, ended, result_of, running_service, submit

if TYPE_CHECKING:
    from runward_service.domain.job import Job

DOCUMENT = Path(__file__).parents[2] / "docs" / "receipts.md"


def canonical(value: Any) -> bytes:
    """RFC 8785, where there are no fractions and all names are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def whole(value: Any) -> Any:
    """A value in which whole numbers have no fraction, as JSON has them."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest(data: bytes) -> str:
    """As digests are written."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def mac(secret: bytes, value: Any) -> str:
    """The MAC of a document."""
    return hmac.new(secret, canonical(value), hashlib.sha256).hexdigest()


def document_of(job: Job, key_id: str, encoded: bytes | None, start_us: int, code_digest: str) -> dict[str, Any]:
    """The receipt's document, member by member."""
    error: Any = job.error and {
        "details": dict(job.error.details),
        "message": job.error.message,
        "plugin": job.error.plugin,
        "reason": job.error.reason.value,
        "time_us": job.error.time_us,
    }
    return {
        "artifacts": [],
        "error": digest(canonical(error)) if error else "",
        "input": {"digest": digest(PNG), "mime_type": "image/png", "size_bytes": len(PNG)},
        "job": {"id": job.id, "principal": "anonymous", "request_id": "", "tenant": "default"},
        "key_id": key_id,
        "options": digest(canonical(job.options)),
        "outcome": {"attempt": 1, "cached": False, "status": job.status.name},
        "output": {"digest": job.output_digest, "encoded_digest": digest(encoded) if encoded is not None else ""},
        "plugin": {"code_digest": code_digest, "name": job.plugin, "version": job.plugin_version},
        "request": {
            "labels": {"team": "é"},
            "max_attempts": job.max_attempts,
            "mode": job.mode.name,
            "priority": 0,
            "queue_deadline_us": 0,
            "retention_us": 0,
            "retry_of": "",
            "skip_cache": False,
            "timeout_us": job.timeout_us,
        },
        "schema": "runward.receipt/1",
        "times": {"create_us": job.create_time_us, "end_us": job.end_time_us, "start_us": start_us},
    }


async def test_another_program_computes_it(tmp_path: Path) -> None:
    """The key's id, the receipts of a success and of a failure, and the chain from its beginning."""
    key_file = tmp_path / "receipt.key"
    async with running_service(tmp_path / "data", "Echo", "Fails", receipt_key=key_file) as service:
        jobs = [await analyze(service, "fails", {"how": "succeed", "text": 'a "b" é\n'}, labels={"team": "é"})]
        jobs.append(await analyze(service, "echo", labels={"team": "é"}))
        failed = await submit(service, "fails", {"how": "plugin_error"}, labels={"team": "é"})
        jobs.append(await ended(service, failed.id))
        code = {entry.name: entry.description.code_digest for entry in service.registry.entries() if entry.description}
    secret = bytes.fromhex(key_file.read_text().splitlines()[-1])
    key_id = hashlib.sha256(b"runward.receipt-key/1" + secret).hexdigest()[:16]
    assert all(job.output_digest == digest(canonical(whole(result_of(job)))) for job in jobs[:2])
    with closing(sqlite3.connect(tmp_path / "data" / "runward.db")) as connection:
        entries = connection.execute(
            "SELECT c.seq, c.kind, c.content, c.job_id, c.revision, hex(c.receipt), hex(c.mac), j.result, j.start_time "
            "FROM receipt_chain AS c LEFT JOIN job AS j ON j.id = c.job_id ORDER BY c.seq"
        ).fetchall()
    assert [(seq, kind) for seq, kind, *_ in entries] == [(1, 2), (2, 1), (3, 1), (4, 1)]
    previous = "0" * 64
    for seq, kind, content, job_id, revision, receipt, entry_mac, encoded, start in entries:
        told = json.loads(content) if content else None
        if kind == 1:
            job = next(one for one in jobs if one.id == job_id)
            assert mac(secret, document_of(job, key_id, encoded, start, code[job.plugin])) == receipt.lower()
            told = {"job_id": job_id, "receipt": receipt.lower(), "revision": revision}
        entry = {
            "content": told,
            "key_id": key_id,
            "kind": {1: "receipt", 2: "begin"}[kind],
            "previous": previous,
            "schema": "runward.chain/1",
            "seq": seq,
        }
        previous = mac(secret, entry)
        assert previous == entry_mac.lower()


@pytest.mark.parametrize("name", ["receipt", "entry"])
def test_the_example_is_right(name: str) -> None:
    """The worked example of docs/receipts.md gives the MACs that it says."""
    text = DOCUMENT.read_text()
    secret = bytes.fromhex(re.search(r"the key `([0-9a-f]{64})`", text)[1])  # type: ignore[index]
    block = re.search(rf"```json {name}\n(.*?)```\n+gives `([0-9a-f]{{64}})`", text, re.DOTALL)
    assert block is not None
    assert mac(secret, json.loads(block[1])) == block[2]
