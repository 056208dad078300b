"""The sweep of the images' folder: what a crash left there, that no row and no process needs."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from runward_service.store.images import TEMPORARY
from runward_service.store.owner_lock import is_dead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runward_service.store.job_removal import SqliteJobRemoval

OLD_US = 3_600_000_000
"""A file this old is no longer on its way into the store. It only spares work: nothing is removed that a row names, and
a job whose image's file is gone when it is committed is refused.
"""
DIGEST_NAME = re.compile(r"(?P<digest>[0-9a-f]{64})(?:\.damaged)?\Z")


class ImageSweep:
    """Looks through the folder, one subfolder after another."""

    def __init__(self, folder: Path, owners: Path, removal: SqliteJobRemoval) -> None:
        """Sweep a folder of images; ``owners`` holds the lock files that prove a writer alive."""
        self._folder = folder
        self._owners = owners
        self._removal = removal

    async def run(self, now: int, old_us: int = OLD_US) -> int:
        """Remove temporary files of dead writers, and mark files without a row, changed ``old_us`` before ``now`` or
        earlier, as unused; how many.
        """
        count = 0
        for subfolder in await asyncio.to_thread(self._subfolders):
            removed, old = await asyncio.to_thread(self._look_through, subfolder, now - old_us)
            count += removed + (await self._removal.mark_unused(old) if old else 0)
        return count

    def _subfolders(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.is_dir())

    def _look_through(self, subfolder: Path, before_us: int) -> tuple[int, list[str]]:
        """Remove temporary files of dead writers: how many; and the digests of old files."""
        removed, old = 0, []
        for path, modified_us in files(subfolder):
            if (temporary := TEMPORARY.match(path.name)) is not None:
                owner = temporary["owner"]
                if is_dead(self._owners, owner) if owner else modified_us <= before_us:
                    path.unlink(missing_ok=True)
                    removed += 1
            elif (named := DIGEST_NAME.match(path.name)) is not None and modified_us <= before_us:
                old.append(f"sha256:{named['digest']}")
        return removed, old


def files(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files of a folder, each with the time of its last change in microseconds since 1970."""
    for path in folder.iterdir():
        try:
            yield path, path.stat().st_mtime_ns // 1000
        except FileNotFoundError:  # it was removed, or given its name, meanwhile
            continue
