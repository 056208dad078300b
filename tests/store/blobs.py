"""Blobs beside a writer's database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runward_service.store.blobs import SqliteBlobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward_service.store.images import ImageStore
    from tests.store.held_writer import HeldWriter


@asynccontextmanager
async def open_blobs(writer: HeldWriter, images: ImageStore) -> AsyncIterator[SqliteBlobs]:
    """The blobs, for as long as the block lasts."""
    writer.loop_connection.open()
    blobs = SqliteBlobs(writer, writer.database, images, writer.loop_connection)
    await blobs.open()
    try:
        yield blobs
    finally:
        await blobs.close()
        writer.loop_connection.close()
