"""Blobs by content: which of them a tenant has. A tenant neither sees nor uses another's, whatever digests it knows."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import aiosqlite

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.image import StoredImage
from runward_service.store.database import BUSY_TIMEOUT_MS
from runward_service.store.remembered import Remembered
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from pathlib import Path

    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database
    from runward_service.store.images import ImageStore
    from runward_service.store.loop_connection import LoopConnection
    from runward_service.store.writer import GroupCommitWriter

SQL = statements("blobs.sql")
REMEMBERED, ABOUT_BYTES = 1024, 1024
"""Blobs in files, and about what each takes here."""

logger = logging.getLogger(__name__)


class SqliteBlobs:
    """The rows of blobs, and the files that some of them have."""

    def __init__(
        self, writer: GroupCommitWriter, database: Database, images: ImageStore, loop_connection: LoopConnection
    ) -> None:
        """Write with a writer; read on the loop, and on a connection of its own."""
        self._writer = writer
        self._database = database
        self._images = images
        self._loop_connection = loop_connection
        self._reader: aiosqlite.Connection
        self._remembered: Remembered[tuple[str, str], StoredImage] = Remembered(REMEMBERED, REMEMBERED * ABOUT_BYTES)
        """Blobs in files that were found, by tenant and digest."""

    async def open(self) -> None:
        """Open the connection, on which writing is refused."""
        self._reader = await aiosqlite.connect(self._database.path, isolation_level=None)
        await self._reader.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._reader.execute_fetchall("PRAGMA query_only = ON")

    async def close(self) -> None:
        """Close it."""
        await self._reader.close()

    def find(self, tenant: str, digest: str) -> StoredImage | None:
        """A tenant's blob with its bytes or their file; None where it has none, or they are gone. Answered on the loop,
        for every call with a digest asks. Raises GovernedError STORE_UNAVAILABLE.
        """
        try:
            row = self._loop_connection.row(SQL["blob"], (digest, tenant))
        except sqlite3.Error as error:
            logger.exception("blobs cannot be read")
            raise GovernedError(ErrorReason.STORE_UNAVAILABLE, "The store cannot be read. Try again.") from error
        if row is None:
            return None
        size_bytes, data = row
        image = StoredImage(digest, size_bytes, data, self._images.path_of(digest) if data is None else None, kept=True)
        with suppress(OSError):
            image.head()  # tells that the file is there; whoever asked looks at it next
            if data is None:
                self._remembered.note((tenant, digest), replace(image, recalled=True), ABOUT_BYTES)
            return image
        return None

    def recalled(self, tenant: str, digest: str) -> StoredImage | None:
        """A tenant's blob, in a file, that was found before and may be gone since; None where none is remembered."""
        return self._remembered.get((tenant, digest))

    def forget_found(self) -> None:
        """Hold nothing of what was found, some of which has been deleted."""
        self._remembered.clear()

    async def missing(self, tenant: str, digests: Sequence[str]) -> list[str]:
        """Those of some digests that a tenant lacks, in order."""
        rows = await self._reader.execute_fetchall(SQL["blobs"], (json.dumps(digests), tenant))
        in_file = {row[0]: bool(row[1]) for row in rows}
        return await asyncio.to_thread(
            lambda: [
                digest
                for digest in digests
                if digest not in in_file or (in_file[digest] and not self._images.path_of(digest).exists())
            ]
        )

    def keep(self, tenant: str, digest: str, expire_time_us: int) -> Awaitable[bool]:
        """Keep a tenant's blob until a time at least, as one that was uploaded; False where it has none."""
        values = (expire_time_us, digest, tenant)
        return self._writer.submit(lambda tx: tx.execute(SQL["keep_upload"], values).rowcount > 0)

    def add(self, tenant: str, blob: StoredImage, source: Path, expire_time_us: int) -> Awaitable[None]:
        """Store a tenant's blob, which was uploaded and is kept until a time at least. ``source`` is a file with the
        same bytes, from which a large blob's own is made again where it was removed since it was put.
        """
        row = (tenant, blob.digest, blob.size_bytes, now_us(), blob.data)

        def operation(tx: Transaction) -> None:
            if blob.path is not None and not blob.path.exists():
                # Files are removed under the write lock, which is held here: now it stays.
                self._images.adopt(source, blob.digest, blob.size_bytes)
            for sql, parameters, _ in by_chunk("transitions.sql", "insert_images", [row]):
                tx.execute(sql, parameters)
            tx.execute(SQL["keep_upload"], (expire_time_us, blob.digest, tenant))
            tx.execute(SQL["found_again"], (blob.digest,))

        return self._writer.submit(operation)
