"""What `make bench-peers` needs is there, and what it runs counts jobs that have ended."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.peers import PROGRAMS, RATIOS
from tests.programs.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SLOW_PEER = """\
import threading, time
ended = []
def commands():
    return []
def end():
    time.sleep(0.2)
    ended.append(None)
def enqueue():
    threading.Thread(target=end).start()
def unfinished(submitted):
    return submitted - len(ended)
"""


def test_every_peer_has_a_program_and_a_pin() -> None:
    """Each peer that there is a target for is installed in one version, and there is a program that gives it jobs."""
    pins = re.findall(
        r"^([a-z]+)(?:\[[a-z]+\])?==[0-9.]+$", (ROOT / "requirements" / "peers.txt").read_text(), re.MULTILINE
    )
    peers = {peer for group in RATIOS for peer in group}
    assert set(pins) == peers
    assert {path.name.removesuffix("_jobs.py") for path in PROGRAMS.glob("*_jobs.py")} == peers


def test_jobs_that_were_stored_are_waited_for(tmp_path: Path) -> None:
    """The time until all jobs have ended is told beside that until all were stored, each time."""
    (tmp_path / "slow_jobs.py").write_text(SLOW_PEER)
    (tmp_path / "peer.py").write_text((PROGRAMS / "peer.py").read_text())
    command = [sys.executable, str(tmp_path / "peer.py"), "slow_jobs", str(tmp_path)]
    done = subprocess.run(command, input="10\n20\n", capture_output=True, text=True, check=True, timeout=60)
    ready, *lines = done.stdout.splitlines()
    assert ready == "ready"
    assert len(lines) == 2
    for line in lines:
        stored, ended = map(float, line.split())
        assert stored < ended
        assert ended >= 0.2
