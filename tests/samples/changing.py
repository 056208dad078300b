"""Plugins whose outputs do not follow from their input."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from typing import Any

from runward_service.plugins import InvalidInput, Payload, Plugin, PluginError, RunContext

ANY = {"type": "object"}


class Steady(Plugin):
    """Tells what it was given, members in an order of chance; fails as its option ``how`` says."""

    name = "steady"
    version = "1.0.0"
    description = "Tells what it was given."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        how = payload.options.get("how")
        if how == "refuse":
            raise InvalidInput("The page is blank.", {"size": len(payload.image)})
        if how == "raise":
            raise PluginError("The lamp is broken.")
        found = {"size": len(payload.image), "half": 0.5, "type": payload.mime_type, "job": context.job_id}
        names = sorted(found, key=lambda _: os.urandom(4))
        return {name: found[name] for name in names}


class Constant(Plugin):
    """Gives the same whatever happens."""

    name = "constant"
    description = "Gives the same whatever happens."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"size": len(payload.image)}


class Clock(Plugin):
    """Tells the time."""

    name = "clock"
    description = "Tells the time."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"found": [{"size": len(payload.image), "read_at": time.time()}]}


class Entropy(Plugin):
    """Draws from the system's entropy."""

    name = "entropy"
    description = "Draws from the system's entropy."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"size": len(payload.image), "token": os.urandom(8).hex()}


class Thing:
    """Hashes by its place in memory."""

    def __init__(self, number: int) -> None:
        self.number = number


class Places(Plugin):
    """Lists a set of objects in its order, which hangs on where they lie in memory."""

    name = "places"
    description = "Lists objects by their places."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        things = {Thing(number) for number in range(5_000)}
        return {"first": [thing.number for thing in things][:20]}


class Race(Plugin):
    """Has four threads write to one list as fast as they can, interrupted as often as can be."""

    name = "race"
    description = "Has threads race."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def setup(self) -> None:
        sys.setswitchinterval(1e-6)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        written: list[str] = []
        start = threading.Barrier(4)

        def write(name: str) -> None:
            start.wait()
            for _ in range(50_000):
                written.append(name)  # noqa: PERF401 - one by one

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        turns = [one for one, other in itertools.pairwise(written) if one != other]
        return {"turns": {"count": len(turns), "order": "".join(turns[:200])}}


class Overtaking(Plugin):
    """Has threads add up in the order in which they come, each so short that it mostly ends before another begins."""

    name = "overtaking"
    description = "Has short threads race."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        self.sum = 0.0

        def add(number: int) -> None:
            for _ in range(3_000):
                self.sum = self.sum * 0.999 + number

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"sum": self.sum}


class Warming(Plugin):
    """Tells how often its worker has run it: the same again in a worker that has run as much, which is what fails."""

    name = "warming"
    description = "Counts its runs."
    mime_types = ("*/*",)
    options_schema = ANY

    def setup(self) -> None:
        self.count = 0

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        self.count += 1
        if payload.options.get("odd_fails") and self.count % 2:
            raise PluginError("It is an odd run.", {"count": self.count})
        return {"runs": self.count, "last": {"a b": True}}
