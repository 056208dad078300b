"""Maintenance by hand, in a process of its own: builds what it needs of the store and of nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import GovernedError
from runward_service.domain.retention_policy import RetentionPolicy
from runward_service.store.checkpointer import Checkpointer
from runward_service.store.collector import Collector
from runward_service.store.image_sweep import ImageSweep
from runward_service.store.images import ImageStore
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.owner_lock import living_owners
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.store.uploads import Uploads
from runward_service.store.writer import GroupCommitWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.domain.receipt_keys import ReceiptKeys
    from runward_service.store.database import Database

PATIENCE_SECONDS = 1.0


class MaintenanceError(Exception):
    """It cannot be done; the message tells why and what to do."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, and what the database's file takes now."""

    jobs: int
    events: int
    images: int
    image_bytes: int
    stray_files: int
    database_bytes: int


async def collect_garbage(  # noqa: PLR0917 - what an operator can choose
    database: Database,
    retain_for_us: int | None,
    retain_jobs: int | None,
    compact: bool,
    keys: ReceiptKeys,
    progress: Callable[[str, int, int], None],
) -> Collected:
    """Remove what has expired, by the settings of the last server where none are given, and what crashes left among
    the images; removals are signed with the newest of the ``keys``. With ``compact``, which no server may run beside,
    the database's file is written anew.

    Raises MaintenanceError, SchemaError, GovernedError STORE_UNAVAILABLE or OSError.
    """
    if not database.path.is_file():
        raise MaintenanceError(f"{database.folder} holds no data of a server")
    if compact and living_owners(database.owners):
        raise MaintenanceError("a server is using the data; stop it, or leave --compact out")
    database.check_newest()
    writer = GroupCommitWriter(database, LoopConnection(database), lambda _: None)
    writer.start()
    try:
        chain = ReceiptChain(keys)
        if not await writer.submit(chain.continues):
            raise MaintenanceError("these are not the receipt keys of the server; name its file with --receipt-key")
        images = ImageStore(database.images, "")
        removal = SqliteJobRemoval(writer, images.path_of, chain)
        stored = await removal.policy() or RetentionPolicy()
        policy = RetentionPolicy(
            stored.retain_for_us if retain_for_us is None else retain_for_us,
            stored.retain_jobs if retain_jobs is None else retain_jobs,
        )
        checkpointer = Checkpointer(database)
        sweep = ImageSweep(database.images, database.owners, removal)
        collector = Collector(removal, sweep, Uploads(database.uploads, images))
        removed = await collector.collect(policy, now_us(), lambda so_far: progress("jobs", so_far.jobs, 0))
        progress("stray files", 0, 0)
        strays = await collector.sweep(now_us())
        with suppress(GovernedError):  # a reader is in the way; servers do it later
            await checkpointer.empty_log(PATIENCE_SECONDS)
    finally:
        await writer.close()
    if compact:
        progress("writing the database anew", 0, 0)
        database.compact()
    size = database.path.stat().st_size
    return Collected(removed.jobs, removed.events, removed.images, removed.image_bytes, strays, size)
