"""WholeImages: tells an image that is not what its caller said from one that the disk has damaged since."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runward_service.domain.blob_errors import blob_corrupted
from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.domain.job import Job, JobRequest
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.store.damaged_blobs import DamagedBlobs

UNLIKE_IMAGE = frozenset({ErrorReason.IMAGE_MISSING, ErrorReason.MIME_TYPE_MISMATCH})
"""What validation says of an image whose beginning is damaged."""

logger = logging.getLogger(__name__)


class WholeImages:
    """Looks at a stored image where a rule or a run found fault with it."""

    def __init__(self, plugins: PluginExecutionService, damaged: DamagedBlobs) -> None:
        """Admit and end jobs by the plugin service."""
        self._plugins = plugins
        self._damaged = damaged

    async def admit(self, request: JobRequest) -> PluginDescription:
        """The description of the plugin that a request names. Raises GovernedError as PluginExecutionService.admit, and
        BLOB_CORRUPTED where the image is no such image because its stored bytes are damaged.
        """
        stored = request.stored
        if stored is not None and stored.data is not None and len(stored.data) != stored.size_bytes:
            await self._damaged.examine(stored.digest)  # no row that names it could be written with these bytes
            raise blob_corrupted(stored.digest)
        try:
            return await self._plugins.admit(request)
        except GovernedError as error:
            if request.stored is None or error.reason not in UNLIKE_IMAGE:
                raise
            if await self._damaged.examine(request.stored.digest):
                raise blob_corrupted(request.stored.digest) from error
            raise

    async def outcome(self, job: Job, outcome: Outcome) -> Outcome:
        """What a job comes to, where a run found its image damaged, or no image of its type any more: by the time that
        it is FAILED, a damaged image is missing for everyone.
        """
        reason = outcome.envelope.reason if outcome.envelope is not None else None
        if reason is None or not (reason is ErrorReason.BLOB_CORRUPTED or reason in UNLIKE_IMAGE):
            return outcome
        try:
            damaged = await self._damaged.examine(job.image.digest)
        except GovernedError:
            logger.exception("the image %s cannot be examined", job.image.digest)
            return outcome
        if damaged and reason in UNLIKE_IMAGE:
            return self._plugins.end_without_run(job, blob_corrupted(job.image.digest))
        return outcome
