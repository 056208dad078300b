"""Stores: what keeps jobs, images and receipts, and what reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.store.blobs import SqliteBlobs
from runward_service.store.checkpointer import Checkpointer
from runward_service.store.damaged_blobs import DamagedBlobs
from runward_service.store.database import Database
from runward_service.store.images import ImageStore
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.job_store import SqliteJobStore
from runward_service.store.kept_results import SqliteKeptResults
from runward_service.store.loop_connection import LoopConnection
from runward_service.store.owner_wakes import OwnerWakes, Wake
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.store.request_ids import RequestIds
from runward_service.store.store_health import StoreHealth
from runward_service.store.uploads import Uploads
from runward_service.store.verifications import SqliteVerifications
from runward_service.store.writer import GroupCommitWriter
from runward_service.watch.log_tail import LogTail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runward_service.domain.receipt_keys import ReceiptKeys


@dataclass(frozen=True, slots=True)
class Stores:
    """What keeps jobs, images and receipts, and what reads them."""

    database: Database
    wakes: OwnerWakes
    writer: GroupCommitWriter
    health: StoreHealth
    reader: SqliteJobReader
    tail: LogTail
    receipt_keys: ReceiptKeys
    signer: ReceiptSigner
    store: SqliteJobStore
    removal: SqliteJobRemoval
    images: ImageStore
    blobs: SqliteBlobs
    damaged: DamagedBlobs
    uploads: Uploads
    verifications: SqliteVerifications
    checkpointer: Checkpointer
    loop_connection: LoopConnection
    request_ids: RequestIds
    kept_results: SqliteKeptResults


def build_stores(folder: Path, owner: str, receipt_keys: ReceiptKeys) -> Stores:
    """The stores in a data folder, of one owner process."""
    database = Database(folder)
    reader = SqliteJobReader(database)
    tail = LogTail(reader)
    wakes = OwnerWakes(database.owners, owner)

    def on_commit(job_ids: Sequence[str]) -> None:
        tail.changed()
        wakes.tell(Wake.COMMITTED)

    loop_connection = LoopConnection(database)
    writer = GroupCommitWriter(database, loop_connection, on_commit)
    writer.turn.shared = lambda: bool(wakes.peers)
    images = ImageStore(database.images, owner)
    signer, receipts = ReceiptSigner(receipt_keys), ReceiptChain(receipt_keys)
    store = SqliteJobStore(writer, owner, images.path_of, signer.verify, receipts)
    removal = SqliteJobRemoval(writer, images.path_of, receipts)
    kept_results = SqliteKeptResults(database, writer, loop_connection)
    store.on_renewal, removal.before_removal = kept_results.renewals.note, kept_results.renewals.write
    blobs = SqliteBlobs(writer, database, images, loop_connection)

    def on_deletion() -> None:
        blobs.forget_found()
        kept_results.forget_read()

    removal.on_deletion = on_deletion
    return Stores(
        database=database,
        wakes=wakes,
        writer=writer,
        health=StoreHealth(writer),
        reader=reader,
        tail=tail,
        receipt_keys=receipt_keys,
        signer=signer,
        store=store,
        removal=removal,
        images=images,
        blobs=blobs,
        damaged=DamagedBlobs(writer, database, images),
        uploads=Uploads(database.uploads, images),
        verifications=SqliteVerifications(writer, database, images.path_of),
        checkpointer=Checkpointer(database),
        loop_connection=loop_connection,
        request_ids=RequestIds(loop_connection),
        kept_results=kept_results,
    )
