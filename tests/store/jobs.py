"""Jobs for the store, and what ToolRunner would make of them."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from runward_service.domain.envelope import ErrorEnvelope
from runward_service.domain.errors import ErrorReason
from runward_service.domain.image import StoredImage
from runward_service.domain.job import Job, JobMode, JobStatus
from runward_service.domain.outcome import Outcome
from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.store.receipt_chain import ReceiptChain

OWNER = "me"


def new_job(number: int, **fields: Any) -> Job:
    """A SYNC job of this process."""
    data = bytes([number % 7])
    image = StoredImage(f"sha256:{hashlib.sha256(data).hexdigest()}", 1, data=data)
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()), "tenant": "default", "principal": "p", "request_id": "", "mode": JobMode.SYNC,
        "plugin": f"plugin_{number % 3}", "plugin_version": "1", "status": JobStatus.PENDING, "image": image,
        "mime_type": "image/png", "options": {"n": number}, "labels": {}, "priority": 0, "timeout_us": 1,
        "queue_deadline_us": 0, "max_attempts": 2, "attempt": 0, "lost_attempts": 0, "owner": OWNER,
        "cancel_requested": False, "create_time_us": 100 + number, "start_time_us": 0, "end_time_us": 0, "revision": 0,
    }  # fmt: skip
    return Job(**{**values, **fields})


KEYS = ReceiptKeys([ReceiptKey(bytes(32))])
SIGNER = ReceiptSigner(KEYS)
CHAIN = ReceiptChain(KEYS)


def outcome(job: Job) -> Outcome:
    """What ToolRunner makes of a job's attempt: every third run fails, with a traceback."""
    number, plugin = job.create_time_us - 100, job.plugin
    ends = {"end_time_us": 300 + number, "duration_us": 10 + number}
    if number % 3:
        digest = f"digest {number}"
        made = Outcome(job.id, job.attempt, plugin, ran=True, result=b"", output_digest=digest, **ends)
        return SIGNER.signed(made, job)
    error = ErrorEnvelope(ErrorReason.PLUGIN_RAISED, f"failure {number}", {"n": number}, plugin, 299, f"trace {number}")
    return SIGNER.signed(Outcome(job.id, job.attempt, plugin, ran=True, envelope=error, **ends), job)
