"""The load: clients that submit, analyze, cancel and watch, and that write down what they were told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import runward
from runward.errors import RunwardError, TransportError
from tests.chaos.ledger import STATUS

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from runward import Client
    from tests.chaos.ledger import Ledger

PLUGINS = ("Noop", "Echo", "Fails", "FailsOnce", "Hostile", "Progressing", "Spin")
PNG = b"\x89PNG\r\n\x1a\n"
LARGE_BYTES = 300_000
LARGE_IMAGES = 8
PAUSE_SECONDS = 0.02
CALL_SECONDS = 60.0
IMAGE: dict[str, Any] = {"mime_type": "image/png"}
ACTS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("noop", {}, 40),
    ("echo", {"word": "x"}, 20),
    ("fails", {"how": "plugin_error"}, 8),
    ("fails", {}, 4),
    ("fails_once", {}, 6),
    ("hostile", {"how": "os_exit"}, 2),
    ("hostile", {"how": "segfault"}, 1),
    ("hostile", {"how": "leave_thread"}, 2),
    ("progressing", {}, 3),
)
"""What jobs do, and how often."""
EXPECTED = {"DRAINING", "STORE_UNAVAILABLE", "QUEUE_FULL", "PLUGIN_UNAVAILABLE", "INTERNAL", "NOT_ATTESTED"}
"""Refusals that a server in trouble may give; INTERNAL is the one for a run whose end could not be stored."""
FAILURES = {"PLUGIN_RAISED", "WORKER_LOST", "INTERRUPTED", "CANCELLED", "TIMEOUT", "MEMORY_LIMIT", "QUEUE_TIMEOUT"}


class Load:
    """Clients of some addresses."""

    def __init__(self, addresses: list[str], ledger: Ledger, rng: random.Random) -> None:
        """Use each address in turns."""
        self._addresses = addresses
        self._ledger = ledger
        self._rng = rng
        self._number = 0
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        kinds = [self._submit, self._submit, self._submit, self._analyze, self._analyze, self._cancel]
        kinds += [self._batch, self._once_more]
        for place, kind in enumerate(kinds):
            address = self._addresses[place % len(self._addresses)]
            self._tasks.append(asyncio.create_task(self._keep_on(address, kind)))

    async def stop(self) -> None:
        """Let each call under way come to its end. Raises what a client stumbled over."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _keep_on(self, address: str, step: Callable[[Client], Awaitable[None]]) -> None:
        async with runward.connect(address) as client:
            while not self._stopping.is_set():
                await self._told(step(client))
                await asyncio.sleep(PAUSE_SECONDS * self._rng.random())

    async def _told(self, step: Awaitable[None]) -> None:
        """Make one step; errors that can be expected are counted, all others are problems."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await step
        except TransportError:
            self._ledger.counts["calls without an answer"] += 1
            await asyncio.sleep(0.1)
        except RunwardError as error:
            if error.reason in FAILURES:
                self._ledger.counts[f"ended {error.reason}"] += 1
            elif error.reason in EXPECTED:
                self._ledger.counts[f"refused {error.reason}"] += 1
                await asyncio.sleep(0.1)
            else:
                self._ledger.problems.append(f"unexpected {error.reason}: {error}")
            if "Traceback" in str(error):
                self._ledger.problems.append(f"a traceback on the wire: {error}")
        except TimeoutError:
            self._ledger.problems.append(f"a call took longer than {CALL_SECONDS:g} s")

    def _request(self) -> tuple[str, str, dict[str, Any], bytes]:
        self._number += 1
        plugin, options, _ = self._rng.choices(ACTS, [weight for *_, weight in ACTS])[0]
        image = PNG + self._number.to_bytes(8)
        if self._rng.random() < 0.1:
            image = PNG + self._rng.randrange(LARGE_IMAGES).to_bytes(8) + bytes(LARGE_BYTES)
        return f"request-{self._number}", plugin, options, image

    async def _submit(self, client: Client) -> None:
        name, plugin, options, image = self._request()
        priority = self._rng.choice((0, 0, 10))
        job = await client.submit(plugin, image, options=options, request_id=name, priority=priority, **IMAGE)
        self._ledger.accept(name, job)
        if self._rng.random() < 0.1:  # once more: it must be the same job
            self._ledger.accept(name, await client.submit(plugin, image, options=options, request_id=name, **IMAGE))
        if self._rng.random() < 0.5:
            await self._watch(client, job.id)

    async def _watch(self, client: Client, job_id: str) -> None:
        seen: list[tuple[int, int, int]] = []
        whole = False
        try:
            async for update in client.watch(job_id):
                seen.append((update.revision, STATUS[update.status], update.attempt))
                if update.status.terminal:
                    whole = True
                    self._ledger.end(update)
        finally:
            self._ledger.watched.append((job_id, 0, seen, whole))
            self._ledger.counts["watched" if whole else "watched in part"] += 1

    async def _analyze(self, client: Client) -> None:
        name, plugin, options, image = self._request()
        request_id = name if self._rng.random() < 0.3 else None
        self._ledger.end(await client.analyze(plugin, image, options=options, request_id=request_id, **IMAGE))
        self._ledger.counts["analyzed"] += 1

    async def _cancel(self, client: Client) -> None:
        name, _, _, image = self._request()
        job = await client.submit("spin", image, options={"seconds": 30}, request_id=name, **IMAGE)
        self._ledger.accept(name, job)
        await asyncio.sleep(self._rng.random())
        while True:  # a job that spins would hold the end up, so it is cancelled whatever happens to the call
            try:
                self._ledger.end(await client.cancel(job.id))
            except RunwardError as error:
                if error.reason not in EXPECTED and not isinstance(error, TransportError):
                    raise
                await asyncio.sleep(0.2)
            else:
                self._ledger.counts["cancelled"] += 1
                return

    async def _once_more(self, client: Client) -> None:
        """A failed job is retried, and erased: its own job by then, which nobody else looks at."""
        name, _, _, image = self._request()
        job = await client.submit("fails", image, options={"how": "plugin_error"}, request_id=name, **IMAGE)
        self._ledger.accept(name, job)
        await self._watch(client, job.id)
        retried = await client.retry(job.id)
        self._ledger.accept(f"retry-{name}", retried)
        self._ledger.deleted.add(job.id)
        await client.delete(job.id)
        self._ledger.erased.add(job.id)
        self._ledger.counts["retried and erased"] += 1

    async def _batch(self, client: Client) -> None:
        requests = [self._request() for _ in range(20)]
        answers = await client.submit_many("noop", [image for *_, image in requests], **IMAGE)
        for (name, *_), answer in zip(requests, answers, strict=True):
            if isinstance(answer, RunwardError):
                await self._told(raised(answer))
            else:
                self._ledger.accept(f"batch-{name}", answer)
        await asyncio.sleep(1)


async def raised(error: RunwardError) -> None:
    """An error as if it had been raised."""
    raise error
