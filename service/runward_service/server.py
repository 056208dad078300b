"""The server: its port, its signals, its drain."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import grpc

from runward_service.api.registration import add_servicers
from runward_service.bootstrap import build
from runward_service.domain.limits import MAX_MESSAGE_BYTES, MAX_METADATA_BYTES
from runward_service.freed_memory import FreedMemory
from runward_service.listen_address import ListenError, check_address
from runward_service.processors import Processors
from runward_service.stop_signals import StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.api.health_servicer import HealthServicer
    from runward_service.config import Config
    from runward_service.service import Service

CLOSE_SECONDS = 5.0
MORE_CALLS = 500
"""Calls that CallLimits does not count: those that it is about to refuse, and reflection."""
COLLECTOR_THRESHOLDS = (10_000, 50, 100)
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    # How much of a call may arrive that nobody reads yet. By itself gRPC raises it to many MiB on a fast line; a
    # message that is being read comes as fast as it can all the same.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 256 * 1024),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


async def serve(config: Config, on_ready: Callable[[str], None]) -> int:
    """Run a server until SIGTERM or SIGINT; the exit status, 0 for a clean stop and 1 when something failed.

    ``on_ready`` gets the address once calls are taken. Raises ListenError, SchemaError or OSError where it cannot
    start.
    """
    address = check_address(config.listen)
    stop = StopSignals()
    if config.lifeline >= 0:
        stop.watch(config.lifeline)
    service = build(config)
    processors = Processors(lambda: len(service.running.jobs) > 1)
    service.writer.on_alone, service.writer.on_company = processors.alone, processors.company
    server, health_servicer = make_server(service)
    port = bind(server, address)
    try:
        await service.start()
    except BaseException:
        await service.close()
        raise
    try:
        await service.lengthen_log()
        await server.start()
        tune_collector()
        service.supervisor.supervise(FreedMemory().run(), "the return of free memory")
        on_ready(address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}")
        either: list[asyncio.Future[Any]] = [stop.first, service.supervisor.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        service.writer.on_alone = processors.spread
        processors.spread()
        failed = service.supervisor.failed.done()
        health_servicer.stop_serving()
        await drain(service, server, stop, 0 if failed else config.grace)
    return 1 if failed else 0


def make_server(service: Service) -> tuple[grpc.aio.Server, HealthServicer]:
    """The gRPC server with the API of a service, without its port, and what answers for its health. It counts calls and
    streams together and refuses those beyond all bounds by itself, without an envelope; CallLimits refuses earlier.
    """
    bounds = service.config.calls
    most = bounds.calls + bounds.watches + MORE_CALLS
    # A server that is short of processor time takes calls late. By default gRPC drops some of a thousand that wait for
    # that, with a status that tells nothing.
    pending = (("grpc.server.max_pending_requests", most), ("grpc.server.max_pending_requests_hard_limit", most))
    # A port is never shared by accident: only the processes of a group, whose parent keeps others away, share theirs.
    shared = ("grpc.so_reuseport", int(service.config.lifeline >= 0))
    server = grpc.aio.server(options=(*OPTIONS, *pending, shared), maximum_concurrent_rpcs=most)
    health_servicer = add_servicers(
        server,
        service.analysis,
        service.catalog,
        service.attestation,
        service.transfer,
        store_health=service.store_health,
        info=service.info,
        bounds=bounds,
    )
    return server, health_servicer


def tune_collector() -> None:
    """Keep the garbage collector off what was loaded, and have it look at what calls leave behind less often.

    A call makes few cycles; with Python's thresholds the collector takes a sixth of the processor time of a no-op job.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def bind(server: grpc.aio.Server, address: str) -> int:
    """Take the port. Raises ListenError."""
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ListenError(f"{address} cannot be listened on; is another server there? Choose another port.") from error
    return port


async def drain(service: Service, server: grpc.aio.Server, stop: StopSignals, grace: float) -> None:
    """Refuse new work, let running jobs end within the grace, then close everything. A second signal hurries it."""
    draining = asyncio.ensure_future(service.finish_runs(grace))
    await asyncio.wait([draining, stop.second], return_when=asyncio.FIRST_COMPLETED)
    await service.drain(0)
    await server.stop(CLOSE_SECONDS)
    await service.close()
