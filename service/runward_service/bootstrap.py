"""Builds every object of the service, once and explicitly; those that keep and read jobs in stores.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import uuid_utils

from runward_service.domain.clock import now_us
from runward_service.domain.server_info import ServerInfo
from runward_service.execution.analysis_execution_service import AnalysisExecutionService
from runward_service.execution.attempts import Attempts
from runward_service.execution.blob_transfer import BlobTransfer
from runward_service.execution.cache_eviction import CacheEviction
from runward_service.execution.canary import Canary
from runward_service.execution.expiry import Expiry
from runward_service.execution.finished_jobs import FinishedJobs
from runward_service.execution.job_ends import JobEnds
from runward_service.execution.job_execution_service import JobExecutionService
from runward_service.execution.job_intake import JobIntake
from runward_service.execution.job_submission import JobSubmission
from runward_service.execution.named_images import NamedImages
from runward_service.execution.neighbours import Neighbours
from runward_service.execution.plugin_catalog import PluginCatalog
from runward_service.execution.plugin_execution_service import PluginExecutionService
from runward_service.execution.queue_bounds import QueueBounds
from runward_service.execution.recovery import Recovery
from runward_service.execution.retention import Retention
from runward_service.execution.running_jobs import RunningJobs
from runward_service.execution.sampler import Sampler
from runward_service.execution.scheduler import Scheduler
from runward_service.execution.slots import Slots
from runward_service.execution.stored_queue import StoredQueue
from runward_service.execution.verifier import Verifier
from runward_service.execution.whole_images import WholeImages
from runward_service.governance.attestation import CodeAttestation
from runward_service.governance.receipt_key_file import load_again, load_or_create
from runward_service.governance.receipt_key_renewal import ReceiptKeyRenewal
from runward_service.plugins.registry import PluginRegistry
from runward_service.runtime.result_cache import ResultCache
from runward_service.runtime.tool_runner import ToolRunner
from runward_service.runtime.validation import MAX_IMAGE_BYTES, MAX_RESULT_BYTES
from runward_service.runtime.worker_pool import LocalWorkerPool
from runward_service.service import Service
from runward_service.store.collector import Collector
from runward_service.store.image_sweep import ImageSweep
from runward_service.store.owner_lock import OwnerLock
from runward_service.store.owner_wakes import Wake
from runward_service.store.receipt_chain import ReceiptChain
from runward_service.stores import Stores, build_stores
from runward_service.supervisor import Supervisor
from runward_service.watch.log_watcher import LogWatcher
from runward_service.watch.watcher import Watcher

if TYPE_CHECKING:
    from runward_service.config import Config


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers, from the plugins up to what callers ask, with what runs beside them."""

    registry: PluginRegistry
    pool: LocalWorkerPool
    plugins: PluginExecutionService
    jobs: JobExecutionService
    running: RunningJobs
    scheduler: Scheduler
    stored_queue: StoredQueue
    expiry: Expiry
    sampler: Sampler
    submission: JobSubmission
    analysis: AnalysisExecutionService


@dataclass(frozen=True, slots=True)
class Group:
    """What keeps the server processes of one data folder together."""

    recovery: Recovery
    catalog: PluginCatalog
    neighbours: Neighbours


def build(config: Config) -> Service:
    """Build the service from its settings. Call on the running loop; nothing is started yet.

    Raises ReceiptKeyError where the keys of receipts cannot be used; they are made where there are none.
    """
    owner = str(uuid_utils.uuid7())
    supervisor, attestation = Supervisor(), CodeAttestation()
    folder = config.data_dir.absolute()
    stores = build_stores(folder, owner, load_or_create(config.receipt_key, folder))
    layers = build_layers(config, owner, stores, supervisor, attestation)
    group = build_group(owner, stores, layers)
    runs = (layers.jobs.claim_jobs, layers.jobs.give_back, layers.analysis.run_claimed)
    return Service(
        config=config,
        info=server_info(config, owner),
        supervisor=supervisor,
        attestation=attestation,
        database=stores.database,
        lock=OwnerLock(stores.database.owners, owner),
        wakes=stores.wakes,
        writer=stores.writer,
        store_health=stores.health,
        reader=stores.reader,
        blobs=stores.blobs,
        transfer=build_transfer(config, stores),
        verifications=stores.verifications,
        loop_connection=stores.loop_connection,
        kept_results=stores.kept_results,
        store=stores.store,
        tail=stores.tail,
        registry=layers.registry,
        pool=layers.pool,
        running=layers.running,
        scheduler=layers.scheduler,
        stored_queue=layers.stored_queue,
        jobs=layers.jobs,
        analysis=layers.analysis,
        catalog=group.catalog,
        expiry=layers.expiry,
        canary=Canary(layers.registry, layers.plugins, supervisor.supervise),
        retention=build_retention(config, stores),
        eviction=CacheEviction(stores.kept_results, config.cache),
        key_renewal=build_key_renewal(config, stores),
        sampler=layers.sampler,
        recovery=group.recovery,
        neighbours=group.neighbours,
        begin_runs=partial(layers.scheduler.start, *runs, supervisor.supervise),
        give_back_runs=layers.jobs.release_drained,
    )


def server_info(config: Config, owner: str) -> ServerInfo:
    """What GetServerInfo tells."""
    return ServerInfo(
        version("runward"),
        owner,
        now_us(),
        config.workers,
        MAX_IMAGE_BYTES,
        MAX_RESULT_BYTES,
        config.retention,
        config.max_retention_us,
    )


def build_layers(
    config: Config, owner: str, stores: Stores, supervisor: Supervisor, attestation: CodeAttestation
) -> Layers:
    """The layers, each on the one below it, and the queues before them."""
    registry = PluginRegistry()
    pool = LocalWorkerPool(registry, config.workers, supervisor.supervise, config.worker_variables)
    pool.on_loaded = attestation.check_worker
    cache = ResultCache(stores.kept_results, enabled=config.cache.enabled)
    tool_runner = ToolRunner(registry, pool, cache, stores.signer)
    plugins = PluginExecutionService(registry, tool_runner)
    pending = QueueBounds("pending jobs", config.pending_jobs)
    slots, running = Slots(registry, config.workers, pool.runs_ahead), RunningJobs()
    scheduler = Scheduler(registry, slots, running, QueueBounds("waiting calls", config.waiting_calls), pending)
    images = NamedImages(stores.blobs)
    jobs = build_jobs(config, owner, stores, plugins, images, running, supervisor)
    stored_queue = StoredQueue(pending, stores.reader)
    jobs.on_left_queue = stored_queue.left
    stores.writer.in_flight = lambda: running.calls
    expiry = Expiry(jobs, stores.reader)
    verifier = Verifier(plugins, scheduler, stores.reader, stores.verifications, stores.damaged)
    sampler = Sampler(config.verify_sample, plugins, slots, verifier)
    jobs.on_success = sampler.ended
    submission = JobSubmission(jobs, scheduler, pending, expiry, images)
    analysis = AnalysisExecutionService(
        jobs,
        scheduler,
        running,
        submission,
        Watcher(stores.reader, stores.tail),
        LogWatcher(stores.reader, stores.tail),
        FinishedJobs(stores.reader, stores.removal, stores.images, stores.uploads, stores.checkpointer),
        verifier,
        attestation.admit,
        stores.health,
        images,
    )
    pool.on_progress = analysis.report_progress
    return Layers(
        registry, pool, plugins, jobs, running, scheduler, stored_queue, expiry, sampler, submission, analysis
    )


def build_jobs(  # noqa: PLR0917 - all that jobs are made of
    config: Config,
    owner: str,
    stores: Stores,
    plugins: PluginExecutionService,
    images: NamedImages,
    running: RunningJobs,
    supervisor: Supervisor,
) -> JobExecutionService:
    """The layer of jobs."""
    store, reader = stores.store, stores.reader
    whole_images = WholeImages(plugins, stores.damaged)
    intake = JobIntake(whole_images, images, stores.images, owner, config.max_retention_us)
    ends = JobEnds(plugins, store, reader, intake, running.others_follow, supervisor.supervise)
    attempts = Attempts(plugins, store)
    return JobExecutionService(plugins, store, reader, intake, whole_images, stores.request_ids, attempts, ends, owner)


def build_group(owner: str, stores: Stores, layers: Layers) -> Group:
    """What this process does for the other ones on its data folder, and hears of them."""
    database, reader, wakes = stores.database, stores.reader, stores.wakes
    recovery = Recovery(layers.jobs, stores.store, reader, database.owners, layers.expiry.look_again)
    catalog = PluginCatalog(
        layers.registry, stores.store, reader, stores.verifications, lambda: wakes.tell(Wake.DISABLED)
    )
    neighbours = Neighbours(
        wakes, database.owners, owner, reader, layers.scheduler, recovery, catalog, stores.tail.changed
    )
    layers.submission.on_stored = neighbours.job_stored
    layers.scheduler.on_given_back = neighbours.job_stored
    layers.analysis.on_cancel_requested = neighbours.cancel_requested
    return Group(recovery, catalog, neighbours)


def build_transfer(config: Config, stores: Stores) -> BlobTransfer:
    """Uploads and downloads."""
    limits = (config.max_blob_bytes, config.retain_uploads_us)
    return BlobTransfer(stores.blobs, stores.uploads, stores.damaged, *limits)


def build_retention(config: Config, stores: Stores) -> Retention:
    """What removes what is no longer to be kept."""
    sweep = ImageSweep(stores.database.images, stores.database.owners, stores.removal)
    collector = Collector(stores.removal, sweep, stores.uploads)
    return Retention(config.retention, stores.removal, collector, stores.checkpointer)


def build_key_renewal(config: Config, stores: Stores) -> ReceiptKeyRenewal:
    """What takes up a new key of receipts."""
    return ReceiptKeyRenewal(
        stores.receipt_keys,
        lambda: load_again(config.receipt_key, stores.database.folder),
        lambda keys: stores.writer.submit(ReceiptChain(keys).begin),
    )
