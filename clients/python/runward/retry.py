"""When a call is made again, and how long to wait before."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from runward.errors import TransportError

if TYPE_CHECKING:
    from runward.errors import RunwardError

LONGEST_ASKED_WAIT = timedelta(seconds=10)
"""A server that asks for a longer wait than this gets no automatic retry: the caller decides."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and for how long, a call that ended UNAVAILABLE is made again. Times are in seconds.

    Attributes:
        attempts: calls in all, the first among them; from 1 to 5.
        initial: the wait before the second attempt; it doubles from there, and is randomised.
        longest: what it doubles up to.
        resume: how long `watch` and `watch_jobs`, once opened, keep coming back to a server that is gone.
    """

    attempts: int = 5
    initial: float = 0.1
    longest: float = 2.0
    resume: float = 60.0

    def backoff(self, attempt: int) -> float:
        """Give the seconds to wait after this attempt, from 1; randomised, so that clients do not return in step."""
        ceiling = min(self.longest, self.initial * 2.0 ** min(attempt - 1, 30))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, guards nothing


def was_refused(error: RunwardError) -> bool:
    """Whether the server itself said that it accepted nothing: UNAVAILABLE with Runward's own details."""
    return error.code is grpc.StatusCode.UNAVAILABLE and not isinstance(error, TransportError)


def connection_broke(error: RunwardError) -> bool:
    """Whether the call ended UNAVAILABLE without a word from the server, which may have acted on it nevertheless."""
    return error.code is grpc.StatusCode.UNAVAILABLE and isinstance(error, TransportError)


def wait_after(error: RunwardError, attempt: int, policy: RetryPolicy) -> float | None:
    """Give the seconds to wait before the next attempt, the server's where it names some; None: too many to wait."""
    if error.retry_after is None:
        return policy.backoff(attempt)
    if error.retry_after > LONGEST_ASKED_WAIT:
        return None
    return max(error.retry_after.total_seconds(), 0.0)
