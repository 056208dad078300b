"""Which job has a request id, asked before a job is made. Answered on the loop, for every call with one asks."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.store.loop_connection import LoopConnection

FIND = statements("job_store.sql")["job_by_request_id"]

logger = logging.getLogger(__name__)


class RequestIds:
    """The request ids in the store, and those of jobs of this process that may not be on disk yet."""

    def __init__(self, reader: LoopConnection) -> None:
        """Read on the loop."""
        self._reader = reader
        self._held: dict[tuple[str, str, str], str] = {}

    def hold(self, job: Job) -> str:
        """Take a new job's request id for it, until release; the id of the job that has it where one has, else empty.

        Raises GovernedError STORE_UNAVAILABLE where the store cannot be read.
        """
        key = (job.tenant, job.principal, job.request_id)
        if holder := self._held.get(key):
            return holder
        try:
            row = self._reader.row(FIND, key)
        except sqlite3.Error as error:
            logger.exception("request ids cannot be read")
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store cannot be read. Try again.") from error
        if row:
            return str(row[0])
        self._held[key] = job.id
        return ""

    def release(self, job: Job) -> None:
        """The job is on disk, or will never be."""
        key = (job.tenant, job.principal, job.request_id)
        if self._held.get(key) == job.id:
            del self._held[key]
