"""Watchers over disconnects and a kill: what each sees is the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.watching import Plan, Run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("servers", "processes"), [(1, 1), (2, 1), (1, 2)])
async def test_watchers_over_disconnects_and_a_kill(tmp_path: Path, servers: int, processes: int) -> None:
    """Sixty watchers of everything, of some jobs, some statuses or one job are disconnected at random while the server,
    or one of two on the same folder, or one process of a server's two, is killed and restarted: each sees exactly the
    changes that the log has, and a watch of one job ends once. The server's other process goes on.
    """
    plan = Plan(watchers=60, jobs=40, kills=1, seed="acceptance", servers=servers, processes=processes)
    run = Run(plan, tmp_path)
    await run.run()
    assert run.problems == []
    assert run.counts()["streams"] > 60
