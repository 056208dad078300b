"""The built service, without its port: how it starts, drains and closes."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError
from runward_service.plugins.loader import discover
from runward_service.store.owner_wakes import Wake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.config import Config
    from runward_service.domain.server_info import ServerInfo
    from runward_service.execution.analysis_execution_service import AnalysisExecutionService
    from runward_service.execution.blob_transfer import BlobTransfer
    from runward_service.execution.cache_eviction import CacheEviction
    from runward_service.execution.canary import Canary
    from runward_service.execution.expiry import Expiry
    from runward_service.execution.job_execution_service import JobExecutionService
    from runward_service.execution.neighbours import Neighbours
    from runward_service.execution.plugin_catalog import PluginCatalog
    from runward_service.execution.recovery import Recovery
    from runward_service.execution.retention import Retention
    from runward_service.execution.running_jobs import RunningJobs
    from runward_service.execution.sampler import Sampler
    from runward_service.execution.scheduler import Scheduler
    from runward_service.execution.stored_queue import StoredQueue
    from runward_service.governance.attestation import CodeAttestation
    from runward_service.governance.receipt_key_renewal import ReceiptKeyRenewal
    from runward_service.plugins.registry import PluginRegistry
    from runward_service.runtime.worker_pool import LocalWorkerPool
    from runward_service.store.blobs import SqliteBlobs
    from runward_service.store.database import Database
    from runward_service.store.job_reader import SqliteJobReader
    from runward_service.store.job_store import SqliteJobStore
    from runward_service.store.kept_results import SqliteKeptResults
    from runward_service.store.loop_connection import LoopConnection
    from runward_service.store.owner_lock import OwnerLock
    from runward_service.store.owner_wakes import OwnerWakes
    from runward_service.store.store_health import StoreHealth
    from runward_service.store.verifications import SqliteVerifications
    from runward_service.store.writer import GroupCommitWriter
    from runward_service.supervisor import Supervisor
    from runward_service.watch.log_tail import LogTail

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """What bootstrap has built."""

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
    loop_connection: LoopConnection
    blobs: SqliteBlobs
    transfer: BlobTransfer
    verifications: SqliteVerifications
    kept_results: SqliteKeptResults
    store: SqliteJobStore
    tail: LogTail
    registry: PluginRegistry
    pool: LocalWorkerPool
    running: RunningJobs
    scheduler: Scheduler
    stored_queue: StoredQueue
    jobs: JobExecutionService
    analysis: AnalysisExecutionService
    catalog: PluginCatalog
    expiry: Expiry
    canary: Canary
    retention: Retention
    eviction: CacheEviction
    key_renewal: ReceiptKeyRenewal
    sampler: Sampler
    recovery: Recovery
    neighbours: Neighbours
    begin_runs: Callable[[], None]
    """Claim jobs, and run them."""
    give_back_runs: Callable[[], Awaitable[None]]
    """Let other processes, or the next start, run what this one still does. Raises GovernedError STORE_UNAVAILABLE."""
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Open the store, check the service's own code, start the workers, recover what dead owners left, and begin to
        run jobs; those stay as they are where the code is not attested.

        What was opened is closed by close, also after a start that failed. Raises SchemaError or OSError when the data
        folder cannot be used.
        """
        await self._open_stores()
        # Before the workers start: on a machine with few processors they would make a first check take thrice as long.
        await self.attestation.check()
        self.supervisor.supervise(self.tail.run(), "the tail of the log")
        await self.catalog.restore()
        self.opened.push_async_callback(self.pool.close)
        self.canary.start()
        self.pool.start(discover(self.config.plugins, installed=self.config.discover))
        await self.recovery.recover()
        await self.stored_queue.restore()
        await self._begin()

    async def _open_stores(self) -> None:
        """Open what keeps and reads jobs, as one of its owners."""
        self.database.prepare()
        self.lock.hold()
        self.opened.callback(self.lock.release)
        self.wakes.open()
        self.opened.callback(self.wakes.close)
        self.loop_connection.open()
        self.opened.callback(self.loop_connection.close)
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
        self.opened.callback(self.kept_results.renewals.write)
        await self.store.add_owner(os.getpid())
        self.opened.push_async_callback(self._resign)
        await self.store.begin_chain()
        self.opened.push_async_callback(self.supervisor.close)

    async def _begin(self) -> None:
        """Run jobs, those that wait first, and see to what is stored."""
        self.begin_runs()
        self.neighbours.claims = self.attestation.holds
        if self.attestation.holds:
            for plugin in await self.reader.claimable_plugins():
                self.scheduler.job_stored(plugin)
        self.supervisor.supervise(self.expiry.run(), "the expiry of pending jobs")
        self.supervisor.supervise(self.neighbours.run(), "the watch on other processes")
        self.supervisor.supervise(self.retention.run(), "the removal of finished jobs")
        self.sampler.start(self.supervisor.supervise)
        self.opened.push_async_callback(self.sampler.stop)
        self.supervisor.supervise(self.key_renewal.run(), "the look for new keys of receipts")
        self.supervisor.supervise(self.eviction.run(), "the eviction of kept outputs")
        self.supervisor.supervise(self.stored_queue.run(), "the count of pending jobs")

    async def lengthen_log(self) -> None:
        """Have commits take as long right from the start as later on; see Database.lengthen_log."""
        with suppress(GovernedError):  # a store that fails is found out by who needs it
            await self.writer.submit(lambda _: self.database.lengthen_log())

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
            await self.give_back_runs()
        except GovernedError:  # a store that takes no writes: the next start finds the jobs of a dead owner
            logger.exception("running jobs could not be given back")
        self.wakes.tell(Wake.STORED)
        await self.running.interrupt()
        await self.tail.close()

    async def close(self) -> None:
        """Close what start opened, last first; each part, whatever becomes of the others."""
        await self.opened.aclose()

    async def _resign(self) -> None:
        with suppress(GovernedError):  # a store that failed is left to the recovery of the next start
            if await self.store.remove_owner(self.info.owner):
                self.wakes.forget()
