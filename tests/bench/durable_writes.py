"""What a disk allows: programs that do nothing but write files and see them on disk, as durably as the service."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MICROSECONDS = 1e6


class DurableWrites:
    """Rounds of writing: files of one size, several at a time, each on disk before its writer begins the next."""

    def __init__(self, folder: Path, content: bytes, in_flight: int) -> None:
        """Write such files below a folder, whose disk counts."""
        self._parent = folder
        self._content = content
        self._in_flight = in_flight
        self.rates: list[float] = []
        self.cpu_us: list[float] = []

    def round(self, seconds: float) -> None:
        """Write for a time; the files are removed after it."""
        folder = Path(tempfile.mkdtemp(dir=self._parent))
        try:
            start, cpu = time.perf_counter(), time.process_time()
            end = start + seconds
            with ThreadPoolExecutor(self._in_flight) as threads:
                counts = threads.map(lambda number: self._write_until(end, folder, number), range(self._in_flight))
                count = sum(counts)
            self.rates.append(count / (time.perf_counter() - start))
            self.cpu_us.append((time.process_time() - cpu) * MICROSECONDS / count)
        finally:
            shutil.rmtree(folder)

    def _write_until(self, end: float, folder: Path, number: int) -> int:
        count = 0
        while not count or time.perf_counter() < end:
            write_durably(folder / f"{number}-{count}", self._content)
            count += 1
        return count


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file; it is on disk when this returns, and not kept in memory."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        # Else each file takes memory that was never used, which on a virtual machine may cost more than the disk.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
