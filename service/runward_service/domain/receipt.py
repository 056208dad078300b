"""Receipts: what ToolRunner attests of the end of a job. docs/receipts.md tells how another program verifies one."""

from __future__ import annotations

import hashlib
import struct
import zlib
from json.encoder import encode_basestring as quoted
from typing import TYPE_CHECKING, NamedTuple

from runward_service.domain.digests import EMPTY_OBJECT, canonical_json, json_digest
from runward_service.domain.job import JobMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.domain.artifact import Artifact
    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome

SCHEMA = "runward.receipt/1"
MARKED = ("artifacts", "error", "input", "job", "options", "outcome", "output", "plugin", "request", "times")
"""The members of a receipt's document that have a mark each, in its order."""
MARKS = struct.Struct(f"!{len(MARKED)}I")


class Receipt(NamedTuple):
    """The MAC of a job's document under a key. ``marks`` are checksums of the document's MARKED members: they prove
    nothing, and tell where a document differs from the one that was signed. ``sequence`` and ``chain_mac`` are those of
    its entry in the chain, 0 and empty as long as it is not stored.
    """

    key_id: str
    mac: bytes
    marks: bytes = b""
    sequence: int = 0
    chain_mac: bytes = b""


class Document(NamedTuple):
    """What is signed: the RFC 8785 form of one object, and its MARKED members."""

    data: bytes
    members: tuple[str, ...]

    def marks(self) -> bytes:
        """The members' checksums."""
        return MARKS.pack(*map(zlib.crc32, map(str.encode, self.members)))

    def differing(self, marks: bytes) -> list[str]:
        """The names of the members that are not those of which there are marks; all where these are no marks."""
        if len(marks) != MARKS.size:
            return list(MARKED)
        own = zip(MARKED, MARKS.unpack(self.marks()), MARKS.unpack(marks), strict=True)
        return [name for name, mark, other in own if mark != other]


def document_of_outcome(job: Job, outcome: Outcome, key_id: str) -> Document:
    """The document of a job that ends with an outcome. Raises ValueError where its error or options are no JSON."""
    return _document(
        job,
        key_id,
        "SUCCESS" if outcome.envelope is None else "FAILED",
        outcome.attempt,
        outcome.code_digest,
        outcome.result,
        outcome.output_digest,
        outcome.envelope,
        outcome.artifacts,
        outcome.cached,
        outcome.end_time_us,
    )


def document_of_job(job: Job, key_id: str) -> Document:
    """The document of a job as it is stored, its result included. Raises ValueError as document_of_outcome does."""
    return _document(
        job,
        key_id,
        job.status.name,
        job.attempt,
        job.code_digest,
        job.result,
        job.output_digest,
        job.error,
        job.artifacts,
        job.cached,
        job.end_time_us,
    )


def error_digest(envelope: ErrorEnvelope) -> str:
    """The digest of an error's public part. Raises ValueError where it is no JSON."""
    return json_digest(
        {
            "details": dict(envelope.details),
            "message": envelope.message,
            "plugin": envelope.plugin,
            "reason": envelope.reason.value,
            "time_us": envelope.time_us,
        }
    )


def _document(  # noqa: PLR0917 - the parts of an end
    job: Job,
    key_id: str,
    status: str,
    attempt: int,
    code_digest: str,
    result: bytes | None,
    output_digest: str,
    error: ErrorEnvelope | None,
    artifacts: Sequence[Artifact],
    cached: bool,
    end_us: int,
) -> Document:
    # Written out in the canonical order: an encoder would take longer than all else that a receipt costs.
    image = job.image
    encoded = f"sha256:{hashlib.sha256(result).hexdigest()}" if result is not None else ""
    labels = canonical_json(dict(job.labels)).decode() if job.labels else "{}"
    members = (
        f'"artifacts":{_artifacts(artifacts) if artifacts else "[]"}',
        f'"error":"{error_digest(error) if error is not None else ""}"',
        f'"input":{{"digest":{quoted(image.digest)},"mime_type":{quoted(job.mime_type)},"size_bytes":{image.size_bytes}}}',
        f'"job":{{"id":{quoted(job.id)},"principal":{quoted(job.principal)},'
        f'"request_id":{quoted(job.request_id)},"tenant":{quoted(job.tenant)}}}',
        f'"options":"{json_digest(job.options) if job.options else EMPTY_OBJECT}"',
        f'"outcome":{{"attempt":{attempt},"cached":{"true" if cached else "false"},"status":"{status}"}}',
        f'"output":{{"digest":{quoted(output_digest)},"encoded_digest":"{encoded}"}}',
        f'"plugin":{{"code_digest":{quoted(code_digest)},"name":{quoted(job.plugin)},'
        f'"version":{quoted(job.plugin_version)}}}',
        f'"request":{{"labels":{labels},"max_attempts":{job.max_attempts},'
        f'"mode":"{"ASYNC" if job.mode is JobMode.ASYNC else "SYNC"}",'
        f'"priority":{job.priority},"queue_deadline_us":{job.queue_deadline_us},'
        f'"retention_us":{job.retention_us},"retry_of":{quoted(job.retry_of)},'
        f'"skip_cache":{"true" if job.skip_cache else "false"},"timeout_us":{job.timeout_us}}}',
        f'"times":{{"create_us":{job.create_time_us},"end_us":{end_us},"start_us":{job.start_time_us or end_us}}}',
    )
    before, after = ",".join(members[:4]), ",".join(members[4:9])
    text = f'{{{before},"key_id":"{key_id}",{after},"schema":"{SCHEMA}",{members[9]}}}'
    return Document(text.encode(), members)


def _artifacts(artifacts: Sequence[Artifact]) -> str:
    return canonical_json(
        [
            {"digest": one.digest, "mime_type": one.mime_type, "name": one.name, "size_bytes": one.size_bytes}
            for one in artifacts
        ]
    ).decode()
