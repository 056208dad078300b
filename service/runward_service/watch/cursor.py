"""Cursors: which revisions a watch can go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError

if TYPE_CHECKING:
    from runward_service.store.protocols import EventLog


async def check_cursor(reader: EventLog, after_revision: int, known: int) -> None:
    """Raises GovernedError REVISION_AHEAD for a cursor beyond the log's end, which is at ``known`` at least."""
    if after_revision <= known:
        return
    last_revision = await reader.last_revision()
    if after_revision > last_revision:
        message = (
            f"Revision {after_revision} is ahead of the log, which ends at {last_revision}. "
            "Get the job or list the jobs, then watch from there."
        )
        raise GovernedError(ErrorReason.REVISION_AHEAD, message, {"last_revision": last_revision})


def check_compaction(cursor: int, floor: int) -> None:
    """Raises GovernedError REVISION_COMPACTED for a cursor after which changes may have been removed from the log."""
    if cursor < floor:
        message = (
            f"The log was compacted past revision {cursor}: what came up to {floor} may be gone. "
            "Get the job or list the jobs, then watch from there."
        )
        raise GovernedError(ErrorReason.REVISION_COMPACTED, message, {"first_usable_revision": floor})


def draining_error() -> GovernedError:
    """The end of a watch when the server stops."""
    return GovernedError(ErrorReason.DRAINING, "The server is stopping. Resume from the last revision.")
