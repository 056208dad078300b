"""A start and a stop at any moment leave nothing behind."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from runward_service.runtime.process_tree import children_of
from tests.harness.service import analyze, query, running_service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")


def owner_files(folder: Path) -> list[Path]:
    """The lock files of a data folder."""
    return list((folder / "owners").iterdir())


@pytest.mark.parametrize("used", [True, False])
async def test_a_clean_stop_leaves_nothing(tmp_path: Path, *, used: bool) -> None:
    """No process, no owner, no lock file, also where the stop comes while workers are still being started."""
    before = children_of(os.getpid())
    async with running_service(tmp_path, "Noop", "Echo") as service:
        assert sorted(file.suffix for file in owner_files(tmp_path)) == [".lock", ".sock"]
        assert query(service, "SELECT id, pid FROM owner") == [(service.info.owner, os.getpid())]
        if used:
            await analyze(service, "noop")
    gc.collect()
    assert children_of(os.getpid()) == before
    assert owner_files(tmp_path) == []
    assert query(service, "SELECT count(*) FROM owner") == [(0,)]


async def test_a_stop_before_the_start_is_over(tmp_path: Path) -> None:
    """A service without plugins starts and stops; its store is whole."""
    async with running_service(tmp_path) as service:
        assert service.registry.entries() == []
    assert query(service, "PRAGMA integrity_check") == [("ok",)]
