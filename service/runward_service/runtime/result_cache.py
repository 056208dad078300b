"""ResultCache: outputs of earlier runs that stand for those of equal jobs, and runs under way that equal jobs share."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from runward_service.domain.digests import json_digest
from runward_service.domain.plugin_state import PluginState
from runward_service.runtime.shared_run import SharedRun

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.domain.run_reply import RunReply
    from runward_service.plugins.registry import PluginEntry
    from runward_service.runtime.run_control import RunControl


class KeptResults(Protocol):
    """The outputs that the store keeps: those of finished jobs, as long as the jobs are there."""

    def trusts(self, description: PluginDescription) -> bool:
        """Whether outputs of a plugin's code may stand for those of other runs: no verification has diverged."""

    def find(self, key: bytes, description: PluginDescription) -> RunReply | None:
        """The output that is kept under a key, whole; None where none is, or the code is not trusted."""


class ResultCache:
    """Used by ToolRunner alone, so that an answer without a run is validated, counted and receipted as any.

    Nothing is kept here but runs under way: what is kept lies in the store, with the job that it came of.
    """

    def __init__(self, results: KeptResults, *, enabled: bool) -> None:
        """Find kept outputs in a store; not ``enabled``: every job has its own run."""
        self._results = results
        self._enabled = enabled
        self._runs: dict[bytes, SharedRun] = {}

    def answerable(self, entry: PluginEntry, job: Job, control: RunControl) -> bool:
        """Whether a job that is about to wait for its turn needs none: its output is kept, and held by ``control`` now,
        or a run under way will give it.
        """
        description = entry.description
        if job.skip_cache or description is None or entry.state is PluginState.UNAVAILABLE:
            return False
        key = self._note_key(description, job, control)
        if not key:
            return False
        if key in self._runs:
            return True
        control.recalled = self._results.find(key, description)
        return control.recalled is not None

    async def answer(self, entry: PluginEntry, job: Job, control: RunControl) -> RunReply | None:
        """The output that stands for a job's own; None where the job has to make its run, with its turn taken. Then
        ``end`` tells what came of it, also where this raises.

        Raises GovernedError: what the job is stopped with while it waits, TIMEOUT among that.
        """
        recalled, control.recalled = control.recalled, None
        reply = recalled or await self._equal_answer(entry, job, control)
        if reply is None and control.turn is not None:
            control.check()
            await control.turn.take()
        return reply

    async def _equal_answer(self, entry: PluginEntry, job: Job, control: RunControl) -> RunReply | None:
        """What an equal job answers; None where none does: then those that come from now on follow this one."""
        description = entry.description
        if control.turn is None or description is None or not (key := self._note_key(description, job, control)):
            return None
        run = None if job.skip_cache else self._runs.get(key)
        if run is not None:
            control.turn.lend()
            if (reply := run.reply or await run.follow(job, control)) is not None:
                return reply
        if not job.skip_cache and (kept := self._results.find(key, description)) is not None:
            return kept
        if run is not None:
            return None  # it leads now, and those who follow wait for what it tells under this key
        if not self._results.trusts(description):
            control.cache_key = b""
        elif not job.skip_cache:
            self._runs[key] = SharedRun(job.id)
        return None

    def end(self, job: Job, control: RunControl, reply: RunReply | None) -> None:
        """An attempt is over: with a valid answer, or with None. Where it led, those who follow learn of it."""
        key = control.cache_key
        if reply is not None and reply.code_digest != control.cache_code:
            reply = None  # a worker with other code than the key names made it
        if reply is None:
            control.cache_key = b""
        run = self._runs.get(key)
        if run is None or run.leader != job.id:
            return
        if reply is not None:
            run.answer(reply)
        elif not run.hand_on():
            del self._runs[key]

    def stored(self, job: Job, control: RunControl) -> None:
        """A job's end is in the store, or never will be: whoever comes now finds it there or not at all."""
        run = self._runs.get(control.cache_key)
        if run is not None and run.leader == job.id:
            del self._runs[control.cache_key]

    def _note_key(self, description: PluginDescription, job: Job, control: RunControl) -> bytes:
        """Note what equal jobs have in common; empty where a job's output is its own."""
        if self._enabled and description.cacheable and description.code_digest:
            control.cache_key, control.cache_code = cache_key(job, description), description.code_digest
        else:
            control.cache_key = b""
        return control.cache_key


def cache_key(job: Job, description: PluginDescription) -> bytes:
    """The SHA-256 of all that an output may follow from, and of whose it is."""
    return _digest_of(
        job.tenant,
        description.name,
        description.version,
        description.code_digest,
        job.image.digest,
        job.mime_type,
        json_digest(job.options),
    )


@lru_cache(maxsize=1024)
def _digest_of(*parts: str) -> bytes:
    """Remembered, for a key that is asked for is mostly asked for again."""
    return hashlib.sha256(json.dumps(parts).encode()).digest()
