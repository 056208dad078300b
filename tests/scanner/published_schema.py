"""``python -m tests.scanner.published_schema FILE``: every case's SARIF log against a copy of the published schema."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from runward_scanner.report.sarif import as_sarif
from runward_scanner.scan import scan

from .scanner_cases import all_cases, over_base

if TYPE_CHECKING:
    from collections.abc import Iterator


def logs(kind: str = "", every: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """The log of each case's tree, by the case's name; of the kind "bad" or "good", or of both; of each so many."""
    cases = [(name, case) for name, case in all_cases() if kind in name.partition(":")[0]]
    for name, case in cases[::every]:
        with tempfile.TemporaryDirectory() as folder:
            over_base(case).write(Path(folder))
            yield name, json.loads(as_sarif(scan(Path(folder))))


def main(schema: str) -> int:
    """Print what does not fit; the exit code is 1 where anything does not."""
    validator = jsonschema_rs.validator_for(json.loads(Path(schema).read_text(encoding="utf-8")))
    count = faults = 0
    for name, log in logs():
        count += 1
        for error in validator.iter_errors(log):
            faults += 1
            print(f"{name}: {error.message}")
    print(f"{count} logs, {faults} faults")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
