"""What a worker says while it comes up, and what that makes of its plugin."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from runward_service.domain import violation
from runward_service.domain.plugin_description import PluginDescription
from runward_service.runtime.run_errors import describe_end

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runward_service.plugins.registry import PluginEntry, PluginRegistry
    from runward_service.runtime.worker_process import WorkerProcess

DESCRIBE_SECONDS = 60.0
"""How long a worker may take to import its plugin and describe it; after that counts the plugin's setup_timeout."""

logger = logging.getLogger(__name__)


class WorkerStartup:
    """What a worker says while it comes up; afterwards, its progress and its violations."""

    def __init__(
        self,
        registry: PluginRegistry,
        entry: PluginEntry,
        on_progress: Callable[[str, float, str], None],
        on_loaded: Callable[[str, Mapping[str, str]], str],
    ) -> None:
        """Tell the registry what the worker says of its plugin; ``on_loaded`` answers why its code may not be used."""
        self._registry = registry
        self._entry = entry
        self._on_progress = on_progress
        self._on_loaded = on_loaded
        self._described: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()

    async def wait(self, worker: WorkerProcess) -> tuple[str, bool]:
        """Wait until the worker is ready ("", False) or is of no use: why, and whether trying again is in vain."""
        either: list[asyncio.Future[Any]] = [self._ended, worker.lost]
        problem = f"it was not imported within {DESCRIBE_SECONDS:g} s"
        done, _ = await asyncio.wait(
            [*either, self._described], timeout=DESCRIBE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if done == {self._described}:
            limit = self._described.result()
            problem = f"setup took longer than {limit:g} s"
            done, _ = await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            return self._ended.result()
        if worker.lost.done():
            end = await worker.end()
            return f"a worker ended while it started ({describe_end(end)})", False
        return problem, False

    @property
    def answered(self) -> bool:
        """Whether the worker itself said how its start ended."""
        return self._ended.done()

    def received(self, worker: WorkerProcess, meta: dict[str, Any]) -> None:
        """Take one message."""
        kind = meta.get("type")
        if kind == "progress":
            self._on_progress(
                str(meta.get("job_id", "")), float(meta.get("fraction", 0.0)), str(meta.get("message", ""))
            )
        elif kind == "violation":
            # Indented, so that no text of a plugin passes for a line of the log.
            text = str(meta.get("message", "")).replace("\n", "\n    ")
            violation.logger.error("plugin %s, job %s: %s", self._entry.name, meta.get("job_id") or "none", text)
        elif kind == "described":
            description = PluginDescription.from_message(meta["description"])
            worker.code_digest = description.code_digest
            self._describe(description)
            if not self._described.done():
                self._described.set_result(description.setup_timeout)
            if problem := str(meta.get("absent", "")) or self._on_loaded(self._entry.name, meta.get("loaded", {})):
                # Before anyone who waits for the description goes on.
                self._fail(problem)
                self._end(problem, permanent=True)
            elif self._entry.load_error and self._entry.description is None:
                self._end(self._entry.load_error, permanent=True)
        elif kind == "unavailable":
            logger.error("plugin %s: %s", self._entry.name, meta.get("traceback", ""))
            self._end(str(meta.get("message", ""))[:1000], permanent=not meta.get("passing"))
        elif kind == "ready":
            if not self._ended.done():  # else it was refused by what it said before
                self._finish()
                self._end("", permanent=False)
        else:
            logger.error("worker %d sent an unknown message", worker.pid)

    def _describe(self, description: PluginDescription) -> None:
        self._registry.describe(self._entry, description)

    def _fail(self, problem: str) -> None:
        self._registry.fail_loading(self._entry, problem)

    def _finish(self) -> None:
        self._registry.finish_setup(self._entry)

    def _end(self, problem: str, *, permanent: bool) -> None:
        if not self._ended.done():
            self._ended.set_result((problem, permanent))
