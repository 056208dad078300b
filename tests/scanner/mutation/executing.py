"""Executes bypasses under the real guard: ``python -m tests.scanner.mutation.executing`` takes every way to ``run`` and
prints ``stopped NAME`` where the service logged a governance violation instead, ``ran NAME`` where the plugin was run.

With ``--stdin`` it executes what it reads, a bypass a line as a JSON object, and answers each with those words.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import json
import logging
import multiprocessing
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

from runward_service.plugins.base import Payload, Plugin, RunContext
from tests.scanner.mutation.bypass import Bypass
from tests.scanner.mutation.run_operators import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT, STDERR = 1, 2
OPTIONS = {"verb": "run"}
"""What bypasses read of a payload's options."""


class Violations(logging.Handler):
    """Says that a bypass was stopped, whatever thread or process it led to."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self._say("stopped")


class Witnessed(Plugin):
    """Says that it was run."""

    name = "witnessed"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Say it."""
        self._say("ran")
        return {"ran": True}


class Witness(Witnessed):
    """The same by way of ``super()``, so that what takes the base class's method runs it too."""

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Say it."""
        return super().run(payload, context)


async def execute(bypass: Bypass, subject: Plugin, payload: Payload, context: RunContext) -> None:
    """Execute a bypass, and await what it gives where that can be done. Raises what the bypass raises."""
    for path, text in bypass.files.items():
        name = f"runward_service.{path.removesuffix('.py').replace('/', '.')}"
        sys.modules[name] = module = ModuleType(name)
        exec(compile(text, path, "exec"), module.__dict__)
    names: dict[str, Any] = {"__name__": "bypass"}
    sys.modules["bypass"] = ModuleType("bypass")  # dataclasses look their module up
    exec(compile(bypass.code, "bypass", "exec"), names)
    given = names["bypass"](subject, payload, context)
    if inspect.isawaitable(given):
        await given
    await asyncio.sleep(0)  # what was handed to the loop runs now


def take(bypass: Bypass, say: Callable[[str], None]) -> None:
    """Execute a bypass in this process, and wait for the threads and processes that it began."""
    os.dup2(STDERR, STDOUT)  # what a bypass prints is no answer
    threading.excepthook = lambda _: None  # a violation in a thread is logged
    logger = logging.getLogger("runward.governance")
    logger.addHandler(Violations(say))
    logger.propagate = False
    context = RunContext("job", 1, lambda fraction, message: None)
    try:
        asyncio.run(execute(bypass, Witness(say), Payload(b"image", "image/png", OPTIONS), context))
    finally:
        for child in multiprocessing.active_children():
            child.join()
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            thread.join()


def words_of(bypass: Bypass) -> set[str]:
    """Execute a bypass in a process of its own: what was said in it, and in those that it began."""
    reading, writing = os.pipe()

    def say(word: str) -> None:
        os.write(writing, f"{word}\n".encode())

    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            take(bypass, say)
        finally:
            atexit._run_exitfuncs()  # a way that waits for the end of the process goes on here
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        words = set(pipe.read().split())
    os.waitpid(process, 0)
    return words


def answer_stdin() -> None:
    """Execute the bypass of each line, and answer it with a line."""
    for line in sys.stdin:
        print(json.dumps(sorted(words_of(Bypass(**json.loads(line))))), flush=True)


def main() -> None:
    """Take every way, or what standard input asks for."""
    multiprocessing.set_start_method("fork")  # a new interpreter would not know the handler
    if sys.argv[1:] == ["--stdin"]:
        answer_stdin()
        return
    for way in WAYS:
        for word in sorted(words_of(way.bypass)) or ["neither"]:
            print(word, way.name, flush=True)


if __name__ == "__main__":
    main()
