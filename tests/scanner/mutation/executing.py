"""Executes bypasses, as the guard will: ``python -m tests.scanner.mutation.executing`` takes every way once and prints
``ran NAME`` when the plugin was run, ``stopped NAME`` when the service logged a governance violation instead.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import multiprocessing
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

from runward_service.plugins.base import Payload, Plugin, RunContext
from tests.scanner.mutation.run_operators import WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.scanner.mutation.way import Way

RUN_ANOTHER = {
    "class-function": "the abstract method of the base class",
    "subclass-other-method": "a built-in plugin, which is not set up here",
}
"""Ways that do not run the plugin which they are given."""


def say(what: str, way: str) -> None:
    """Print at once: this may be another process."""
    os.write(1, f"{what} {way}\n".encode())


class Violations(logging.Handler):
    """Prints that the way which is being taken was stopped."""

    way = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, whatever thread or process the way leads to."""
        say("stopped", self.way)


class Witnessed(Plugin):
    """Prints that it was run."""

    name = "witnessed"

    def __init__(self, way: str) -> None:
        """Print the name of a way."""
        self.way = way

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Print."""
        say("ran", self.way)
        return {"way": self.way}


class Witness(Witnessed):
    """The same by way of ``super()``, so that what takes the base class's method runs it too."""

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Print."""
        return super().run(payload, context)


async def execute(bypass: str, files: Mapping[str, str], subject: Plugin, payload: Payload, context: RunContext) -> Any:
    """Run a plugin in a mutant's way; what the way gives, awaited where it can be.

    ``files`` are further modules of the service that the way needs. Raises what the way raises.
    """
    for path, text in files.items():
        name = f"runward_service.{path.removesuffix('.py').replace('/', '.')}"
        sys.modules[name] = module = ModuleType(name)
        exec(compile(text, path, "exec"), module.__dict__)
    names: dict[str, Any] = {"__name__": "bypass"}
    sys.modules["bypass"] = ModuleType("bypass")  # dataclasses look their module up
    exec(compile(bypass, "bypass", "exec"), names)
    given = names["bypass"](subject, payload, context)
    if inspect.isawaitable(given):
        given = await given
    await asyncio.sleep(0)  # what was handed to the loop runs now
    return given


def take(way: Way) -> None:
    """Take one way, and wait for the threads and processes that it began. A violation ends the way and no more."""
    context = RunContext("job", 1, lambda fraction, message: None)
    running = execute(way.standalone(), way.files, Witness(way.name), Payload(b"image", "image/png"), context)
    try:
        asyncio.run(running)
    except Exception as error:
        if type(error).__name__ != "GovernanceViolation":
            raise
    for child in multiprocessing.active_children():
        child.join()
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join()


def main() -> None:
    """Take every way; what waits for the end of the process goes last."""
    multiprocessing.set_start_method("fork")  # a new interpreter would not know the handler
    threading.excepthook = lambda _: None  # a violation in a thread is logged
    violations = Violations()
    logger = logging.getLogger("runward.governance")
    logger.addHandler(violations)
    logger.propagate = False
    for way in sorted(WAYS, key=lambda way: way.name == "atexit"):
        if way.name not in RUN_ANOTHER:
            violations.way = way.name
            take(way)


if __name__ == "__main__":
    main()
