"""CallLimits: how many calls and streams are taken at once, and how many bytes of requests.

gRPC hands a message over when all of it is there, so what is being received cannot be weighed, only counted. A message
that is still not there after a few looks is taken for a large one and is given room for the largest; where there is no
room, its call is refused, and so is every new one as long as no room is left. What has not been given room is thus no
more than what arrives in a tenth of a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from runward_service.api.inline_image import WORTH_BYTES, cut_image
from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_service.domain.job import Principal
    from runward_service.domain.limits import CallBounds

LOOK_SECONDS = 0.02
LOOKS = 3
"""After so many looks, a message that is not there is a large one."""
RECEIVE_SECONDS = 60.0
"""The longest time that a message takes to arrive."""
RETRY_SECONDS = 1.0


class Reception:
    """A message that is being received, and from its arrival on the bytes that it takes."""

    __slots__ = ("began", "looks", "problem", "room", "task")

    def __init__(self, began: float) -> None:
        """Begin, in the current task."""
        self.task = asyncio.current_task()
        self.began = began
        self.looks = 0
        self.room = 0
        self.problem: GovernedError | None = None

    def refuse(self, problem: GovernedError) -> None:
        """End the wait for the message."""
        self.problem = problem
        if self.task is not None:
            self.task.cancel()


class CallLimits:
    """The calls and streams of this process. Used on the loop alone."""

    def __init__(self, bounds: CallBounds, max_message_bytes: int) -> None:
        """Take so many; no message is larger than ``max_message_bytes``."""
        self._bounds = bounds
        self._max_message_bytes = max_message_bytes
        self._receiving: set[Reception] = set()
        self._looking = False
        self._watches_of: Counter[tuple[str, str]] = Counter()
        self._transfers_of: Counter[tuple[str, str]] = Counter()
        self.transfers = 0
        self.transfer_bytes = 0
        """How large the blobs are that are being uploaded or downloaded."""
        self.calls = 0
        self.watches = 0
        self.request_bytes = 0
        """Of messages that are held, and the room given to those that are being received."""

    def enter(self) -> None:
        """A unary call comes; ``leave`` ends it. Raises GovernedError TOO_MANY_CALLS, and then it has not entered."""
        if self.calls >= self._bounds.calls:
            raise too_many("calls", self._bounds.calls, f"{self._bounds.calls} calls are under way already.")
        self.calls += 1

    def leave(self) -> None:
        """A unary call that entered has ended."""
        self.calls -= 1

    @contextmanager
    def watch(self, principal: Principal) -> Iterator[None]:
        """Count a stream of a caller. Raises GovernedError TOO_MANY_CALLS."""
        caller, bounds = (principal.tenant, principal.name), self._bounds
        if self.watches >= bounds.watches:
            raise too_many("watches", bounds.watches, f"{bounds.watches} streams are open already.")
        if self._watches_of[caller] >= bounds.watches_per_caller:
            limit = bounds.watches_per_caller
            raise too_many("watches_per_caller", limit, f"{limit} streams of yours are open already; end some.")
        self.watches += 1
        self._watches_of[caller] += 1
        try:
            yield
        finally:
            self.watches -= 1
            self._watches_of[caller] -= 1
            if not self._watches_of[caller]:
                del self._watches_of[caller]

    @contextmanager
    def transfer(self, principal: Principal, size_bytes: int) -> Iterator[None]:
        """Count an upload or download of a blob of a caller. Raises GovernedError TOO_MANY_CALLS."""
        caller, bounds = (principal.tenant, principal.name), self._bounds
        if self.transfers >= bounds.transfers:
            raise too_many("transfers", bounds.transfers, f"{bounds.transfers} blobs are under way already.")
        if self._transfers_of[caller] >= bounds.transfers_per_caller:
            limit = bounds.transfers_per_caller
            raise too_many("transfers_per_caller", limit, f"{limit} blobs of yours are under way already.")
        if self.transfers and self.transfer_bytes + size_bytes > bounds.transfer_bytes:
            limit = bounds.transfer_bytes
            raise too_many("transfer_bytes", limit, f"Blobs of {limit} bytes are under way already.")
        self.transfers += 1
        self.transfer_bytes += size_bytes
        self._transfers_of[caller] += 1
        try:
            yield
        finally:
            self.transfers -= 1
            self.transfer_bytes -= size_bytes
            self._transfers_of[caller] -= 1
            if not self._transfers_of[caller]:
                del self._transfers_of[caller]

    async def receive(self, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        """A call's message. Raises GovernedError TOO_MANY_CALLS where there is no room for it, MALFORMED_REQUEST where
        none comes.
        """
        if self.request_bytes >= self._bounds.request_bytes:
            raise self._no_room()
        reception = Reception(time.monotonic())
        self._receiving.add(reception)
        self._look_later()
        try:
            raw: Any = await context.read()
        except asyncio.CancelledError:
            if reception.problem is None or reception.task is None or reception.task.uncancel():
                raise
            raise reception.problem from None
        finally:
            self._receiving.discard(reception)
            self.request_bytes -= reception.room
        if raw is grpc.aio.EOF:
            raise GovernedError(ErrorReason.MALFORMED_REQUEST, "The call has no message.")
        return Message(self, raw)

    def _no_room(self) -> GovernedError:
        limit = self._bounds.request_bytes
        return too_many("request_bytes", limit, f"Requests of {limit} bytes are under way already.")

    def _look_later(self) -> None:
        if self._receiving and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._looking = False
        self.look(time.monotonic())
        self._look_later()

    def look(self, now: float) -> None:
        """Give room to the messages that are still being received, or refuse them; ``now`` is monotonic."""
        for reception in self._receiving:
            reception.looks += 1
            if reception.problem is not None:
                continue
            if not reception.room and reception.looks >= LOOKS:
                if self.request_bytes + self._max_message_bytes > self._bounds.request_bytes:
                    reception.refuse(self._no_room())
                    continue
                reception.room = self._max_message_bytes
                self.request_bytes += reception.room
            if now - reception.began > RECEIVE_SECONDS:
                message = f"The request did not arrive within {RECEIVE_SECONDS:g} s."
                reception.refuse(GovernedError(ErrorReason.MALFORMED_REQUEST, message))


class Message:
    """A message that has arrived; its bytes count until it is let go."""

    __slots__ = ("_image", "_limits", "_raw", "_size")

    def __init__(self, limits: CallLimits, raw: bytes) -> None:
        """Hold it."""
        self._limits = limits
        self._raw = raw
        self._image: memoryview | None = None
        self._size = len(raw)
        limits.request_bytes += self._size

    def take(self) -> bytes:
        """The bytes, which are not held here any more, but still count: what is made of them is as large."""
        raw, self._raw = self._raw, b""
        return raw

    def cut_image(self) -> None:
        """Take the image of a request apart from the rest, where it is a large one."""
        cut = cut_image(self._raw, WORTH_BYTES)
        if cut is not None:
            self._raw, self._image = cut

    def take_image(self) -> memoryview | None:
        """The image that was taken apart, which is not held here any more; None where none was."""
        image, self._image = self._image, None
        return image

    def let_go(self) -> None:
        """Nothing made of the bytes is held any more; again does nothing."""
        self._limits.request_bytes -= self._size
        self._size = 0


def too_many(bound: str, limit: int, message: str) -> GovernedError:
    """The refusal of what goes past a limit."""
    details = {"bound": bound, "limit": limit, "retry_seconds": RETRY_SECONDS}
    return GovernedError(ErrorReason.TOO_MANY_CALLS, f"{message} Try again later.", details)
