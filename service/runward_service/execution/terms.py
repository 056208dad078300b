"""The terms of a request: what it asks for, within what plugin and server allow; and when two ask for the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.domain.job import Job, JobRequest
    from runward_service.domain.plugin_description import PluginDescription


def payload_of(job: Job) -> tuple[str, ...]:
    """What makes two requests the same: their texts, for Python takes True for 1."""
    return job.plugin, job.image.digest, job.mime_type, json.dumps(job.options, sort_keys=True), job.retry_of


def checked_timeout(request: JobRequest, description: PluginDescription) -> int:
    """The timeout of an attempt in microseconds. Raises GovernedError TIMEOUT_INVALID."""
    if request.retry_of:  # accepted once; the plugin's own may be shorter now
        return min(request.timeout_us, description.timeout_us)
    if not 0 <= request.timeout_us <= description.timeout_us:
        limit = description.timeout
        message = f"timeout must be from 0 to {limit:g} s, the plugin's own."
        raise GovernedError(ErrorReason.TIMEOUT_INVALID, message, {"limit_seconds": limit}, plugin=description.name)
    return request.timeout_us or description.timeout_us


def checked_retention(request: JobRequest, max_retention_us: int) -> int:
    """How long the job is kept, in microseconds; 0: as long as the server keeps jobs. Raises GovernedError
    INVALID_FIELD.
    """
    if request.retry_of:  # accepted once; the server's longest may be shorter now
        return min(request.retention_us, max_retention_us)
    if not 0 <= request.retention_us <= max_retention_us:
        limit = max_retention_us / 1e6
        message = f"retention must be from 0 to {limit:g} s, the longest that this server takes."
        details = {"field": "retention", "limit_seconds": limit}
        raise GovernedError(ErrorReason.INVALID_FIELD, message, details, plugin=request.plugin)
    return request.retention_us
