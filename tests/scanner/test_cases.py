"""Every fixture case: the findings are those that its lines expect, no more and no fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runward_scanner.scan import scan

from .scanner_cases import BASE, Case, all_cases, over_base

if TYPE_CHECKING:
    from pathlib import Path

CASES = all_cases()


def found(case: Case, folder: Path) -> set[tuple[str, int, str]]:
    """File, line and rule of what a scan of the case's tree finds."""
    case.write(folder)
    return {
        (finding.place.path.removeprefix(f"{folder}/"), finding.place.line, finding.code)
        for finding in scan(folder).findings
    }


@pytest.mark.parametrize(("name", "case"), CASES, ids=[name for name, _ in CASES])
def test_case(name: str, case: Case, tmp_path: Path) -> None:
    """A case over the clean tree has exactly the findings that its markers say."""
    whole = over_base(case)
    assert found(whole, tmp_path) == whole.expected(), name


def test_base_is_clean(tmp_path: Path) -> None:
    """The tree that every case lies over has no finding of its own."""
    assert found(BASE, tmp_path) == set()
