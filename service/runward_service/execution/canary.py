"""Canary: runs a plugin in doubt until it has shown that it is well."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING

import uuid_utils

from runward_service.domain.clock import now_us
from runward_service.domain.errors import ErrorReason
from runward_service.domain.image import StoredImage
from runward_service.domain.job import Job, JobMode, JobStatus
from runward_service.domain.plugin_state import PluginState
from runward_service.runtime.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runward_service.domain.canary_input import CanaryInput
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.execution.plugin_execution_service import PluginExecutionService
    from runward_service.plugins.registry import PluginEntry, PluginRegistry

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
PRINCIPAL = "runward.canary"
TIMEOUT_US = 5_000_000
"""Shorter than a claimed job waits for a worker, which the canary may have taken."""
UNFIT = frozenset({ErrorReason.OPTIONS_INVALID, ErrorReason.MIME_TYPE_UNSUPPORTED, ErrorReason.MIME_TYPE_MISMATCH})
"""Why the rules, before any worker, refuse a picture for a plugin that wants something else."""

logger = logging.getLogger(__name__)


class Canary:
    """Makes canary runs: by the way of every run, validated and governed by ToolRunner, in a worker of the plugin.

    A canary run is nobody's job: it is not stored and counts in no metrics, and takes no slot, so that a plugin's queue
    does not keep it from being seen well. The plugin's state follows it as it follows every run.
    """

    def __init__(
        self,
        registry: PluginRegistry,
        plugins: PluginExecutionService,
        supervise: Callable[[Awaitable[None], str], object],
    ) -> None:
        """Run through the plugin service; ``supervise`` runs what goes on in the background."""
        self._registry = registry
        self._plugins = plugins
        self._supervise = supervise
        self._running: set[str] = set()

    def start(self) -> None:
        """Begin to look after plugins that come to be in doubt."""
        self._registry.listen(self._changed)

    def _changed(self, entry: PluginEntry) -> None:
        if entry.trouble and entry.state is not PluginState.UNAVAILABLE and entry.name not in self._running:
            self._running.add(entry.name)
            self._supervise(self._until_well(entry), f"canary of {entry.name}")

    async def _until_well(self, entry: PluginEntry) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            # One that cannot run is heard of again when it can.
            while entry.trouble and entry.state is not PluginState.UNAVAILABLE:
                await self._run(entry)
                if entry.trouble:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            self._running.discard(entry.name)

    async def _run(self, entry: PluginEntry) -> None:
        description = entry.description
        if entry.in_flight:
            return  # what a caller's run comes to tells as much
        if description is None or description.canary is None:
            # No run is to be had: a worker that has come up since is all that can be seen.
            if entry.came_up_since:
                self._registry.trust(entry)
            return
        outcome = await self._plugins.execute(canary_job(description, description.canary), RunControl())
        if outcome.envelope is None:
            return  # ToolRunner has told the registry
        logger.warning("canary of %s: %s: %s", entry.name, outcome.envelope.reason.name, outcome.envelope.message)
        reason = outcome.envelope.reason
        # One that the plugin did not choose itself: refused by the plugin, whose worker is well to have found that, or
        # by its rules, which no worker has seen.
        refused = reason is ErrorReason.INPUT_REJECTED or (reason in UNFIT and entry.came_up_since)
        if refused and not description.canary.declared:
            self._registry.trust(entry)


def canary_job(description: PluginDescription, canary: CanaryInput) -> Job:
    """A canary run, in the form in which ToolRunner takes runs."""
    digest = f"sha256:{hashlib.sha256(canary.image).hexdigest()}"
    now = now_us()
    return Job(
        id=str(uuid_utils.uuid7()),
        tenant="",
        principal=PRINCIPAL,
        request_id="",
        mode=JobMode.SYNC,
        plugin=description.name,
        plugin_version=description.version,
        status=JobStatus.RUNNING,
        image=StoredImage(digest, len(canary.image), data=canary.image),
        mime_type=canary.mime_type,
        options=canary.options,
        labels={},
        priority=0,
        timeout_us=min(description.timeout_us, TIMEOUT_US),
        queue_deadline_us=0,
        max_attempts=1,
        attempt=1,
        lost_attempts=0,
        owner="",
        cancel_requested=False,
        create_time_us=now,
        start_time_us=now,
        end_time_us=0,
        revision=0,
    )
