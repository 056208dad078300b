"""How verifications ended, in the store, and the inputs that they run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiosqlite

from runward_service.domain.clock import now_us
from runward_service.domain.verification import Verdict, VerificationCounters
from runward_service.store.database import BUSY_TIMEOUT_MS
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from runward_service.domain.image import StoredImage
    from runward_service.domain.job import Job
    from runward_service.domain.verification import Verification
    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database
    from runward_service.store.writer import GroupCommitWriter

SQL = statements("verification.sql")


class SqliteVerifications:
    """Counts what verifications came to, by plugin and code; reads on a connection of its own."""

    def __init__(self, writer: GroupCommitWriter, database: Database, image_path: Callable[[str], Path]) -> None:
        """Write with a writer; ``image_path`` tells the file of a large image's digest."""
        self._writer = writer
        self._database = database
        self._image_path = image_path
        self._connection: aiosqlite.Connection

    async def open(self) -> None:
        """Open the connection, on which writing is refused."""
        self._connection = await aiosqlite.connect(self._database.path, isolation_level=None)
        await self._connection.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._connection.execute_fetchall("PRAGMA query_only = ON")

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    def record(self, job: Job, code_digest: str, verification: Verification) -> Awaitable[object]:
        """Count a verification of a job whose plugin had that code."""
        verdict, diverged = verification.verdict, verification.verdict is Verdict.DIVERGED
        counts = tuple(int(verdict is one) for one in Verdict)
        what = (job.id, verification.path, now_us()) if diverged else ("", "", 0)
        row = (job.plugin, job.plugin_version, code_digest, *counts, *what)

        def operation(tx: Transaction) -> None:
            tx.execute(SQL["count_verification"], row)

        return self._writer.submit(operation)

    async def counters(self) -> dict[str, VerificationCounters]:
        """The counters over all code that a plugin had, and its last divergence, by plugin."""
        found: dict[str, VerificationCounters] = {}
        for plugin, *code, good, diverged, neither, job, path, time in await self._rows():
            before = found.get(plugin, VerificationCounters())
            sums = (
                before.reproducible_count + good,
                before.diverged_count + diverged,
                before.unverifiable_count + neither,
            )
            codes = before.diverged_codes | ({(code[0], code[1])} if diverged else set())
            last = max((time, job, path), (before.diverged_time_us, before.diverged_job, before.diverged_path))
            found[plugin] = VerificationCounters(*sums, last[1], last[2], last[0], codes)
        return found

    async def _rows(self) -> list[Any]:
        return list(await self._connection.execute_fetchall(SQL["verifications"]))

    async def with_input(self, job: Job) -> Job | None:
        """A job with its image's bytes, or their file; None where they are gone."""
        rows = list(await self._connection.execute_fetchall(SQL["input_of_job"], (job.id,)))
        if not rows:
            return None
        image: StoredImage = job.image
        data = rows[0][0]
        path = self._image_path(image.digest) if data is None else None
        if path is not None and not path.exists():
            return None
        return job._replace(image=type(image)(image.digest, image.size_bytes, data=data, path=path))
