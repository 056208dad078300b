"""KeptRenewals: kept outputs go over to the newest job that was answered with them, some time after its answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runward_service.domain.outcome import Outcome
    from runward_service.store.batch import Transaction
    from runward_service.store.writer import GroupCommitWriter

PAUSE_SECONDS = 1.0
MOST = 256
MOST_BYTES = 4 * 1024 * 1024
"""Of outputs that wait here."""

logger = logging.getLogger(__name__)


class KeptRenewals:
    """What is kept is the newest job's, so that it outlives the older ones and is evicted last. No answer waits for
    that: it is written once a second for all answers together, and before anything that looks at whose it is. Used on
    the loop alone.
    """

    def __init__(self, writer: GroupCommitWriter, renew: Callable[[Transaction, Sequence[Outcome]], None]) -> None:
        """Write with a writer, by ``renew``."""
        self._writer = writer
        self._renew = renew
        self._waiting: dict[bytes, Outcome] = {}
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def note(self, outcome: Outcome) -> None:
        """A job is on its way to the store, handed over to the writer, with an output that is kept already."""
        if outcome.cache_key not in self._waiting and outcome.result is not None:
            self._size += len(outcome.result)
        self._waiting[outcome.cache_key] = outcome
        if len(self._waiting) >= MOST or self._size >= MOST_BYTES:
            self.write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.write)

    def write(self) -> None:
        """Hand over what waits: it is written before whatever is handed over next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._size = self._waiting, {}, 0
        if waiting:
            try:
                self._writer.defer(lambda tx: self._renew(tx, list(waiting.values())))
            except GovernedError:
                logger.warning("%d outputs stay with an earlier job: the store is closed", len(waiting))
