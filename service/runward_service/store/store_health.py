"""Whether the store takes writes, and the probe that finds out when it does again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING

from runward_service.domain.clock import now_us
from runward_service.domain.errors import GovernedError
from runward_service.store.row_statements import by_chunk
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.store.batch import Transaction
    from runward_service.store.writer import GroupCommitWriter

PROBE_SECONDS = 1.0
PROBE_TENANT = "runward.probe"
PROBE = bytes(range(256)) * 256
PROBE_DIGEST = f"sha256:{hashlib.sha256(PROBE).hexdigest()}"
SQL = statements("job_store.sql")

logger = logging.getLogger(__name__)


class StoreHealth:
    """Failing from the first write that the database failed on until a probe is on disk."""

    def __init__(self, writer: GroupCommitWriter) -> None:
        """Hear of the writer's failures."""
        self._writer = writer
        writer.on_failure = self._failed
        self.failing = False
        self._fails = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_change: Callable[[], None]) -> None:
        """Name one who hears when the store begins to fail, and when it has recovered."""
        self._listeners.append(on_change)

    async def probe(self) -> None:
        """Write as much as a small picture, and take it away again. Raises GovernedError STORE_UNAVAILABLE."""
        await self._writer.submit(insert_probe)
        await self._writer.submit(delete_probe)
        self._change(failing=False)

    async def run(self) -> None:
        """While the store fails, probe it again and again."""
        while True:
            await self._fails.wait()
            await asyncio.sleep(PROBE_SECONDS)
            if self.failing:
                try:
                    await self.probe()
                except GovernedError:
                    continue

    def _failed(self) -> None:
        self._change(failing=True)

    def _change(self, *, failing: bool) -> None:
        if failing is self.failing:
            return
        self.failing = failing
        if failing:
            logger.critical("the store takes no writes; it is probed until it does")
            self._fails.set()
        else:
            logger.warning("the store takes writes again")
            self._fails.clear()
        for listener in self._listeners:
            listener()


def insert_probe(tx: Transaction) -> None:
    """Store a picture that belongs to no job."""
    row = (PROBE_TENANT, PROBE_DIGEST, len(PROBE), now_us(), PROBE)
    for sql, parameters, _ in by_chunk("transitions.sql", "insert_images", [row]):
        tx.execute(sql, parameters)


def delete_probe(tx: Transaction) -> None:
    """Take it away."""
    tx.execute(SQL["delete_probe"], (PROBE_DIGEST, PROBE_TENANT))
