"""Has threads come in another order than they mostly do: what hangs on it shows when a run is verified."""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Trace = Callable[[FrameType, str, Any], Any]

MOST_STEPS = 5_000
"""So many steps of a thread, instructions of Python, may be followed by a pause; then it goes on undisturbed."""
PAUSES = 0.03
"""After this fraction of the steps a thread pauses."""
LONGEST_SECONDS = 1e-4


def make_threads_restless() -> None:
    """Have each thread that ``threading`` starts from now on pause at random places of its beginning."""
    threading.settrace(begun)


def begun(frame: FrameType, event: str, argument: Any) -> Trace:
    """A thread's first step: the rest of its steps are looked at from here."""
    chance = random.SystemRandom()  # the generator of ``random`` is the plugin's, and seeded
    left = MOST_STEPS

    def step(current: FrameType, _event: str, _argument: Any) -> Trace:
        nonlocal left
        left -= 1
        current.f_trace_opcodes = True  # not after lines alone: x += 1 is one, and can be lost
        if left <= 0:
            sys.settrace(None)
        if chance.random() < PAUSES:
            time.sleep(chance.random() * LONGEST_SECONDS)
        return step

    sys.settrace(step)
    return step(frame, event, argument)
