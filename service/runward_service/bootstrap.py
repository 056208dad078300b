"""Builds every object of the service, once and explicitly."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import uuid_utils

from runward_service.domain.clock import now_us
from runward_service.domain.errors import GovernedError
from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.domain.server_info import ServerInfo
from runward_service.execution.analysis_execution_service import AnalysisExecutionService
from runward_service.execution.blob_transfer import BlobTransfer
from runward_service.execution.cache_eviction import CacheEviction
from runward_service.execution.canary import Canary
from runward_service.execution.expiry import Expiry
from runward_service.execution.finished_jobs import FinishedJobs
from runward_service.execution.job_execution_service import JobExecutionService
from runward_service.execution.neighbours import Neighbours
from runward_service.execution.plugin_catalog import PluginCatalog
from runward_service.execution.plugin_execution_service import PluginExecutionService
from runward_service.execution.queue_bounds import QueueBounds
from runward_service.execution.recovery import Recovery
from runward_service.execution.retention import Retention
from runward_service.execution.sampler import Sampler
from runward_service.execution.scheduler import Scheduler
from runward_service.execution.stored_queue import StoredQueue
from runward_service.execution.verifier import Verifier
from runward_service.execution.whole_images import WholeImages
from runward_service.governance.attestation import CodeAttestation
from runward_service.governance.receipt_key_file import load_or_create
from runward_service.plugins.loader import discover
from runward_service.plugins.registry import PluginRegistry
from runward_service.runtime.result_cache import ResultCache
from runward_service.runtime.tool_runner import ToolRunner
from runward_service.runtime.validation import MAX_IMAGE_BYTES, MAX_RESULT_BYTES
from runward_service.runtime.worker_pool import LocalWorkerPool
from runward_service.store.blobs import SqliteBlobs
from runward_service.store.checkpointer import Checkpointer
from runward_service.store.collector import Collector
from runward_service.store.damaged_blobs import DamagedBlobs
from runward_service.store.database import Database
from runward_service.store.image_sweep import ImageSweep
from runward_service.store.images import ImageStore
from runward_service.store.job_reader import SqliteJobReader
from runward_service.store.job_removal import SqliteJobRemoval
from runward_service.store.job_store import SqliteJobStore
from runward_service.store.kept_results import SqliteKeptResults
from runward_service.store.owner_lock import OwnerLock
from runward_service.store.owner_wakes import OwnerWakes, Wake
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.store.request_ids import RequestIds
from runward_service.store.store_health import StoreHealth
from runward_service.store.uploads import Uploads
from runward_service.store.verifications import SqliteVerifications
from runward_service.store.writer import GroupCommitWriter
from runward_service.supervisor import Supervisor
from runward_service.watch.log_tail import LogTail
from runward_service.watch.log_watcher import LogWatcher
from runward_service.watch.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.config import Config


logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """The built service, without its port."""

    config: Config
    info: ServerInfo
    supervisor: Supervisor
    attestation: CodeAttestation
    database: Database
    lock: OwnerLock
    wakes: OwnerWakes
    writer: GroupCommitWriter
    store_health: StoreHealth
    reader: SqliteJobReader
    blobs: SqliteBlobs
    transfer: BlobTransfer
    verifications: SqliteVerifications
    request_ids: RequestIds
    kept_results: SqliteKeptResults
    store: SqliteJobStore
    tail: LogTail
    registry: PluginRegistry
    pool: LocalWorkerPool
    scheduler: Scheduler
    stored_queue: StoredQueue
    jobs: JobExecutionService
    analysis: AnalysisExecutionService
    catalog: PluginCatalog
    expiry: Expiry
    canary: Canary
    retention: Retention
    eviction: CacheEviction
    sampler: Sampler
    recovery: Recovery
    neighbours: Neighbours
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Open the store, check the service's own code, start the workers, recover what dead owners left, and begin to
        run jobs; those stay as they are where the code is not attested.

        What was opened is closed by close, also after a start that failed. Raises SchemaError or OSError when the data
        folder cannot be used.
        """
        self.database.prepare()
        self.lock.hold()
        self.opened.callback(self.lock.release)
        self.wakes.open()
        self.opened.callback(self.wakes.close)
        self.writer.start()
        self.opened.push_async_callback(self.writer.close)
        self.supervisor.supervise(self._writer_end(), "the store's writer")
        self.supervisor.supervise(self.store_health.run(), "the probe of the store")
        await self.reader.open()
        self.opened.push_async_callback(self.reader.close)
        await self.blobs.open()
        self.opened.push_async_callback(self.blobs.close)
        await self.verifications.open()
        self.opened.push_async_callback(self.verifications.close)
        self.request_ids.open()
        self.opened.callback(self.request_ids.close)
        self.kept_results.open()
        self.opened.callback(self.kept_results.close)
        await self.store.add_owner(os.getpid())
        self.opened.push_async_callback(self._resign)
        await self.store.begin_chain()
        self.opened.push_async_callback(self.supervisor.close)
        # Before the workers start: on a machine with few processors they would make a first check take thrice as long.
        await self.attestation.check()
        self.supervisor.supervise(self.tail.run(), "the tail of the log")
        await self.catalog.restore()
        self.opened.push_async_callback(self.pool.close)
        self.canary.start()
        self.pool.start(discover(self.config.plugins, installed=self.config.discover))
        await self.recovery.recover()
        await self.stored_queue.restore()
        self.scheduler.start(
            self.jobs.claim_jobs, self.analysis.run_claimed, self.supervisor.supervise, self.pool.runs_ahead
        )
        self.neighbours.claims = self.attestation.holds
        if self.attestation.holds:
            for plugin in await self.reader.claimable_plugins():
                self.scheduler.job_stored(plugin)
        self.supervisor.supervise(self.expiry.run(), "the expiry of pending jobs")
        self.supervisor.supervise(self.neighbours.run(), "the watch on other processes")
        self.supervisor.supervise(self.retention.run(), "the removal of finished jobs")
        self.sampler.start(self.supervisor.supervise)
        self.opened.push_async_callback(self.sampler.stop)
        self.supervisor.supervise(self.eviction.run(), "the eviction of kept outputs")
        self.supervisor.supervise(self.stored_queue.run(), "the count of pending jobs")

    async def _writer_end(self) -> None:
        # Shielded: the end of this task at a stop is not the end of the writer.
        await asyncio.shield(self.writer.ended)

    async def finish_runs(self, grace_seconds: float) -> None:
        """Claim no more, leave what waits to other processes, and wait for running jobs for a while."""
        self.wakes.tell(Wake.STORED)
        await self.sampler.stop()
        await self.scheduler.drain(grace_seconds)

    async def drain(self, grace_seconds: float) -> None:
        """The same, then give jobs that still run back or end them, and end watches."""
        await self.finish_runs(grace_seconds)
        try:
            await self.jobs.release_drained()
        except GovernedError:  # a store that takes no writes: the next start finds the jobs of a dead owner
            logger.exception("running jobs could not be given back")
        self.wakes.tell(Wake.STORED)
        await self.scheduler.interrupt()
        await self.tail.close()

    async def close(self) -> None:
        """Close what start opened, last first; each part, whatever becomes of the others."""
        await self.opened.aclose()

    async def _resign(self) -> None:
        with suppress(GovernedError):  # a store that failed is left to the recovery of the next start
            if await self.store.remove_owner(self.info.owner):
                self.wakes.forget()


def build(config: Config) -> Service:
    """Build the service from its settings. Call on the running loop; nothing is started yet.

    Raises ReceiptKeyError where the keys of receipts cannot be used; they are made where there are none.
    """
    owner = str(uuid_utils.uuid7())
    info = ServerInfo(
        version("runward"),
        owner,
        now_us(),
        config.workers,
        MAX_IMAGE_BYTES,
        MAX_RESULT_BYTES,
        config.retention,
        config.max_retention_us,
    )
    supervisor = Supervisor()
    attestation = CodeAttestation()
    database = Database(config.data_dir.absolute())
    images = ImageStore(database.images, owner)
    reader = SqliteJobReader(database)
    tail = LogTail(reader)
    wakes = OwnerWakes(database.owners, owner)

    def on_commit(job_ids: Sequence[str]) -> None:
        tail.changed()
        wakes.tell(Wake.COMMITTED)

    writer = GroupCommitWriter(database, on_commit)
    store_health = StoreHealth(writer)
    receipt_keys = load_or_create(config.receipt_key, database.folder)
    signer, chain = ReceiptSigner(receipt_keys), ReceiptChain(receipt_keys)
    store = SqliteJobStore(writer, owner, images.path_of, signer.verify, chain)
    removal = SqliteJobRemoval(writer, images.path_of, chain)
    blobs = SqliteBlobs(writer, database, images)
    damaged = DamagedBlobs(writer, database, images)
    uploads = Uploads(database.uploads, images)
    verifications = SqliteVerifications(writer, database, images.path_of)
    checkpointer = Checkpointer(database)
    request_ids = RequestIds(database)
    kept_results = SqliteKeptResults(database, writer)
    registry = PluginRegistry()
    pool = LocalWorkerPool(registry, config.workers, supervisor.supervise, config.worker_variables)
    pool.on_loaded = attestation.check_worker
    cache = ResultCache(kept_results, enabled=config.cache.enabled)
    tool_runner = ToolRunner(registry, pool, cache, signer)
    plugins = PluginExecutionService(registry, tool_runner)
    jobs = JobExecutionService(
        plugins,
        store,
        reader,
        images,
        WholeImages(plugins, damaged),
        request_ids,
        owner,
        supervisor.supervise,
        config.max_retention_us,
    )
    pending = QueueBounds("pending jobs", config.pending_jobs)
    stored_queue = StoredQueue(pending, reader)
    jobs.on_left_queue = stored_queue.left
    scheduler = Scheduler(registry, config.workers, QueueBounds("waiting calls", config.waiting_calls), pending)
    expiry = Expiry(jobs, reader)
    finished = FinishedJobs(reader, removal, images, uploads, checkpointer)
    verifier = Verifier(plugins, scheduler, reader, verifications, damaged)
    sampler = Sampler(config.verify_sample, plugins, scheduler, verifier)
    jobs.on_success = sampler.ended
    analysis = AnalysisExecutionService(
        jobs,
        scheduler,
        pending,
        Watcher(reader, tail),
        LogWatcher(reader, tail),
        expiry,
        finished,
        verifier,
        attestation.admit,
        store_health,
        blobs,
    )
    pool.on_progress = analysis.report_progress
    recovery = Recovery(jobs, store, reader, database.owners, expiry.look_again)
    catalog = PluginCatalog(registry, store, reader, verifications, lambda: wakes.tell(Wake.DISABLED))
    neighbours = Neighbours(wakes, database.owners, owner, reader, scheduler, recovery, catalog, tail.changed)

    analysis.on_stored = neighbours.job_stored
    analysis.on_cancel_requested = neighbours.cancel_requested
    writer.in_flight = lambda: len(scheduler.running)
    return Service(
        config=config,
        info=info,
        supervisor=supervisor,
        attestation=attestation,
        database=database,
        lock=OwnerLock(database.owners, owner),
        wakes=wakes,
        writer=writer,
        store_health=store_health,
        reader=reader,
        blobs=blobs,
        transfer=BlobTransfer(blobs, uploads, damaged, config.max_blob_bytes, config.retain_uploads_us),
        verifications=verifications,
        request_ids=request_ids,
        kept_results=kept_results,
        store=store,
        tail=tail,
        registry=registry,
        pool=pool,
        scheduler=scheduler,
        stored_queue=stored_queue,
        jobs=jobs,
        analysis=analysis,
        catalog=catalog,
        expiry=expiry,
        canary=Canary(registry, plugins, supervisor.supervise),
        retention=Retention(
            config.retention,
            removal,
            Collector(removal, ImageSweep(database.images, database.owners, removal), uploads),
            checkpointer,
        ),
        eviction=CacheEviction(kept_results, config.cache),
        sampler=sampler,
        recovery=recovery,
        neighbours=neighbours,
    )
