"""Blobs whose bytes on disk are not those of their digest: put aside, so that nobody takes them for right, and a new
upload takes their place.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.store.database import BUSY_TIMEOUT_MS
from runward_service.store.images import damaged_path, sync_folder
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database
    from runward_service.store.images import ImageStore
    from runward_service.store.writer import GroupCommitWriter

SQL = statements("blobs.sql")

logger = logging.getLogger(__name__)


class DamagedBlobs:
    """Looks at blobs that somebody found damaged."""

    def __init__(self, writer: GroupCommitWriter, database: Database, images: ImageStore) -> None:
        """Write with a writer; look at the files of the image store."""
        self._writer = writer
        self._database = database
        self._images = images

    async def examine(self, digest: str) -> bool:
        """Read a blob, and put aside what is damaged of it, for all tenants; whether anything was.

        A worker's word is not enough for that, so it is read here again. A blob that is put aside is missing from then
        on, until it is uploaded or sent again. Raises GovernedError STORE_UNAVAILABLE.
        """
        rows, file, gone = await asyncio.to_thread(self._damaged, digest)
        if rows or file is not None or gone:
            logger.error("the stored bytes of %s are damaged or gone; it is missing until it is sent again", digest)
            await self._writer.submit(lambda tx: self._put_aside(tx, digest, rows, file))
        return bool(rows) or file is not None

    def _damaged(self, digest: str) -> tuple[list[int], os.stat_result | None, bool]:
        """The rows with wrong bytes; the wrong file, by what tells it from one that takes its place; whether a row
        needs a file that is not there.
        """
        with closing(sqlite3.connect(self._database.path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            found = connection.execute(SQL["stored_bytes"], (digest,)).fetchall()
        rows = [seq for seq, data in found if data is not None and digest_of(data) != digest]
        path = self._images.path_of(digest)
        gone = any(data is None for _, data in found) and not path.exists()
        return rows, wrong_file(path, digest), gone

    def _put_aside(self, tx: Transaction, digest: str, rows: list[int], file: os.stat_result | None) -> None:
        for seq in rows:
            tx.execute(SQL["lose_bytes"], (seq,))
        tx.execute(SQL["mark_lost"], (now_us(), digest))
        path = self._images.path_of(digest)
        # Under the write lock, as a removal is; but an upload may have put the right file in its place before.
        if file is not None and path.exists() and os.path.samestat(path.stat(), file):
            path.rename(damaged_path(path))
            sync_folder(path.parent)


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def wrong_file(path: Path, digest: str) -> os.stat_result | None:
    """What tells a digest's file where its bytes are others, or cannot be read; None where it is right or not there."""
    try:
        with path.open("rb") as file:
            if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest:
                return None
            return os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError:
        return path.stat()
