"""ReceiptKeyRenewal: takes up a key that was added to the file of receipt keys, while the server runs."""

from __future__ import annotations

import asyncio
import logging
from copy import copy
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError
from runward_service.governance.receipt_key_file import ReceiptKeyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.receipt_keys import ReceiptKeys

INTERVAL_SECONDS = 5.0

logger = logging.getLogger(__name__)


class ReceiptKeyRenewal:
    """Looks at the file now and again."""

    def __init__(
        self,
        keys: ReceiptKeys,
        read: Callable[[], ReceiptKeys],
        tell_chain: Callable[[ReceiptKeys], Awaitable[object]],
    ) -> None:
        """Renew the keys that a signer and a chain have. ``read`` gives those of the file, and raises ReceiptKeyError
        where they cannot be used; ``tell_chain`` enters in the chain that another key signs from now on.
        """
        self._keys = keys
        self._read = read
        self._tell_chain = tell_chain
        self._trouble = ""

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Sign with the file's newest key from now on. Where the file cannot be used, or the chain cannot be told, all
        stays as it is.
        """
        try:
            found = await asyncio.to_thread(self._read)
            if found.newest.id != self._keys.newest.id:
                # Keys that are gone from the file still verify what they have signed here. The chain comes first: no
                # entry of a key may stand before the one that tells of it.
                together = copy(self._keys)
                together.add(found)
                await self._tell_chain(together)
                self._keys.add(found)
                logger.warning("receipts are signed with the key %s from now on", found.newest.id)
            self._trouble = ""
        except (ReceiptKeyError, GovernedError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                logger.error("receipts are signed with the key of before: %s", error)
