"""One of two processes on a data folder is killed, and the other brings everything to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.lives import LIVES
from tests.crash.point import Kind

pytestmark = pytest.mark.timeout(900)
NAMES = [life.name for life in LIVES if life.beside]
KINDS = (Kind.COMMIT, Kind.FILE, Kind.TO_WORKER, Kind.FROM_WORKER)
"""Statements come to the same as the commit before them; ``make crashes`` kills there, too."""


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """The cases of all lives, run in a process that has not loaded gRPC, for it forks."""
    kinds = [word for kind in KINDS for word in ("--kind", kind.value)]
    command = [sys.executable, "-m", "tests.crash", "--beside", *kinds, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("life", NAMES)
def test_the_other_process_takes_over(cases: dict[str, Any], life: str) -> None:
    """After a kill of one process at a commit, a file or a message to or from a worker, the other one, which is not
    started again, ends all that was acknowledged, and no invariant is broken.
    """
    assert cases["lives"][life]["kills"]["service"] > 0
    assert cases["lives"][life]["problems"] == []


def test_points_of_each_kind_were_killed_at(cases: dict[str, Any]) -> None:
    """The other process does not keep the points from happening."""
    kinds = {kind for life in NAMES for kind in cases["lives"][life]["points"]}
    assert kinds >= {kind.value for kind in KINDS}
