"""What is found does not hang on the order in which sets are gone through, which differs from run to run."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from .scanner_cases import all_cases, over_base

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = ("0", "1", "2", "3", "4", "5")
EVERY = 10
"""Every so many cases are tried, and the one of a validator that two things may stand for."""
PROGRAM = """
import pathlib, sys
from runward_scanner.scan import scan
for tree in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for finding in scan(tree).findings:
        print(finding)
"""


def findings(folder: Path, seed: str) -> str:
    """All that a scan of each tree in a folder finds, proofs and all, in a process whose hashes start from a seed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_every_run_finds_the_same(tmp_path: Path) -> None:
    """Scans under several hash seeds, and at other addresses, give the same findings with the same proofs."""
    cases = all_cases()
    chosen = [*cases[::EVERY], *((name, case) for name, case in cases if "in the constructor" in name)]
    for number, (_, case) in enumerate(chosen):
        over_base(case).write(tmp_path / f"{number:03d}")
    first, *others = (findings(tmp_path, seed) for seed in SEEDS)
    assert first
    assert set(others) == {first}
