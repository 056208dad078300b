"""Rows of the job table as Jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runward_service.domain.artifact import Artifact
from runward_service.domain.envelope import ErrorEnvelope
from runward_service.domain.errors import ErrorReason
from runward_service.domain.image import StoredImage
from runward_service.domain.job import Job, JobMode, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def load_mapping(text: str) -> Mapping[str, Any]:
    """A stored JSON object; the empty one, which most are, without parsing."""
    return {} if text == "{}" else json.loads(text)


def dump_mapping(value: Mapping[str, Any]) -> str:
    """A mapping as stored: JSON with sorted keys, so that equal ones are equal texts."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if value else "{}"


def load_artifacts(text: str | None) -> tuple[Artifact, ...]:
    """The files that a run gave back, of which a row tells names, digests, sizes and types."""
    return () if text is None or text == "[]" else tuple(Artifact(*values) for values in json.loads(text))


def job_of(row: Sequence[Any], *, data: bytes | None = None, path: Path | None = None) -> Job:
    """The job of a row with the columns of ``job_columns``; ``data`` or ``path`` is where its image's bytes are."""
    error = None
    if row[28] is not None:
        error = ErrorEnvelope(ErrorReason(row[28]), row[29], load_mapping(row[30]), row[31], row[32])
    return Job(
        id=row[0],
        tenant=row[1],
        principal=row[2],
        request_id=row[3],
        mode=JobMode(row[4]),
        plugin=row[5],
        plugin_version=row[6],
        status=JobStatus(row[7]),
        image=StoredImage(row[8], row[9], data, path),
        mime_type=row[10],
        options=load_mapping(row[11]),
        labels=load_mapping(row[12]),
        priority=row[13],
        timeout_us=row[14],
        queue_deadline_us=row[15],
        max_attempts=row[16],
        attempt=row[17],
        lost_attempts=row[18],
        owner=row[19],
        cancel_requested=bool(row[20]),
        create_time_us=row[21],
        start_time_us=row[22],
        end_time_us=row[23],
        revision=row[24],
        progress_fraction=row[25],
        progress_message=row[26],
        result=row[27],
        error=error,
        output_digest=row[33],
        cached=bool(row[34]),
        retention_us=row[35],
        retry_of=row[36],
        skip_cache=bool(row[37]),
        artifacts=load_artifacts(row[38]),
        code_digest=row[39],
    )
