"""Whose waiting jobs are claimed next: callers take turns, whatever each of them has waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runward_service.domain.caller import Caller

NOBODY: Caller = ("", "")
OLDEST_FIRST_ROUND = 10
"""In every tenth round each caller's oldest job is taken: none waits for ever behind those of higher priority."""


@dataclass(slots=True)
class Share:
    """How many jobs of one caller are taken in one claim: by priority, and by age."""

    by_priority: int = 0
    by_age: int = 0


@dataclass(slots=True)
class Turns:
    """The turns of one plugin's callers, in the order of their names. It holds no caller but the last, so that it
    costs nothing however many there are.
    """

    last: Caller = NOBODY
    round: int = field(default=0)

    def deal(self, waiting: Iterable[tuple[Caller, int]], limit: int) -> dict[Caller, Share]:
        """Share out up to ``limit`` places among callers with so many jobs each, given in the order of their turns
        after ``last``: one place each, then again.
        """
        left = dict(waiting)
        shares: dict[Caller, Share] = {}
        while limit and left:
            for caller in list(left)[:limit]:
                self._next_turn(caller, shares.setdefault(caller, Share()))
                limit -= 1
                left[caller] -= 1
                if not left[caller]:
                    del left[caller]
        return shares

    def _next_turn(self, caller: Caller, share: Share) -> None:
        if caller <= self.last:
            self.round = (self.round + 1) % OLDEST_FIRST_ROUND
        self.last = caller
        if self.round == OLDEST_FIRST_ROUND - 1:
            share.by_age += 1
        else:
            share.by_priority += 1
