"""The bare writes that the service is measured against: as durable, and gone afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bench.durable_writes import DurableWrites, write_durably

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CONTENT = os.urandom(70_000)


def test_a_file_is_written_whole_and_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes are in the file, and handed to the disk before the function returns."""
    path = tmp_path / "file"
    synced, sync = [], os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    write_durably(path, CONTENT)
    assert path.read_bytes() == CONTENT
    assert synced == [(path.stat().st_ino, len(CONTENT))]


def test_a_round_counts_what_was_written_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of those that write at once writes a file at least; the rate is that of all files."""
    written = []
    monkeypatch.setattr("tests.bench.durable_writes.write_durably", lambda path, _: written.append(path))
    monkeypatch.setattr("tests.bench.durable_writes.time.perf_counter", iter(range(1000)).__next__)
    writes = DurableWrites(tmp_path, CONTENT, 3)
    writes.round(0)
    assert len(set(written)) == 3
    assert len(writes.rates) == len(writes.cpu_us) == 1
    writes.round(5)
    assert len(set(written)) == len(written) > 6
    assert list(tmp_path.iterdir()) == []
