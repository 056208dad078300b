"""The crash matrix: all holds after a kill at every point, and the published matrix is that of the enumeration."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.crash.lives import LIVES
from tests.crash.matrix import DOCUMENT, published_names
from tests.crash.point import Kind

pytestmark = pytest.mark.timeout(1800)
NAMES = [life.name for life in LIVES]
HOW_TO_PUBLISH = "What the service does has changed: publish the matrix with 'make crashes'."


@pytest.fixture(scope="module")
def matrix() -> dict[str, Any]:
    """All cases of all lives, run in a process that has not loaded gRPC, for it forks."""
    command = [sys.executable, "-m", "tests.crash", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=DOCUMENT.parents[1], check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("life", NAMES)
def test_everything_holds_after_a_kill_at_every_point(matrix: dict[str, Any], life: str) -> None:
    """No invariant is broken."""
    assert matrix["lives"][life]["problems"] == []


@pytest.mark.parametrize("life", NAMES)
def test_the_published_points_are_those_of_the_service(matrix: dict[str, Any], life: str) -> None:
    """The document names, for each life, the statements, files and messages that are killed at, and no others."""
    assert published_names(DOCUMENT.read_text("utf-8")).get(life) == matrix["lives"][life]["names"], HOW_TO_PUBLISH


def test_nothing_passes_the_instruments_by(matrix: dict[str, Any]) -> None:
    """Points of every kind were killed at, none that was seen escaped, and SQLite told of no statement that did not
    come through the instruments.
    """
    assert matrix["missed"] == []
    kinds = {kind for life in NAMES for kind in matrix["lives"][life]["points"]}
    assert kinds == {kind.value for kind in Kind}
    named = {name for life in NAMES for names in matrix["lives"][life]["names"].values() for name in names}
    assert [name for name in named if "past the instruments" in name] == []
    assert set(published_names(DOCUMENT.read_text("utf-8"))) == set(NAMES)
