"""Trees that are not this service: the scanner finds what was broken in them, and nothing in what was not.

``trees`` holds small clean projects (``NAME.base``), each laid out in its own way, and cases that lie over one of them
(``NAME_RULE.cases``, ``NAME_clean.cases``), written as somebody would who wants to get past the scanner, or who does
nothing wrong in an unusual way. What a case does may show in the project's own files as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runward_scanner.scan import scan

from .scanner_cases import Case, load

if TYPE_CHECKING:
    from collections.abc import Iterator

TREES = Path(__file__).parent / "trees"
PROJECTS = [load(file)[0] for file in sorted(TREES.glob("*.base"))]


def over_project(case: Case, project: Case) -> Case:
    """A case over a project."""
    return Case(case.name, {**project.files, **case.files})


def cases() -> Iterator[tuple[str, Case, Case]]:
    """Every case with an id and the project that it lies over."""
    for project in PROJECTS:
        name, _, default_file = project.name.partition(": ")
        for file in sorted(TREES.glob(f"{name}_*.cases")):
            for case in load(file, default_file, prelude=""):
                yield f"{file.stem}:{case.name}", case, project


CASES = list(cases())


def found(case: Case, folder: Path) -> set[tuple[str, int, str]]:
    """File, line and rule of what a scan of the case's tree finds."""
    case.write(folder)
    return {
        (finding.place.path.removeprefix(f"{folder}/"), finding.place.line, finding.code)
        for finding in scan(folder).findings
    }


@pytest.mark.parametrize("project", PROJECTS, ids=[project.name for project in PROJECTS])
def test_project_is_clean(project: Case, tmp_path: Path) -> None:
    """A project has no finding of its own."""
    assert found(project, tmp_path) == set()


@pytest.mark.parametrize(("name", "case", "project"), CASES, ids=[name for name, _, _ in CASES])
def test_case_over_a_project(name: str, case: Case, project: Case, tmp_path: Path) -> None:
    """A case's own files have exactly the findings that its markers say; elsewhere only those rules' may show."""
    expected = case.expected()
    every = found(over_project(case, project), tmp_path)
    assert {item for item in every if item[0] in case.files} == expected, name
    assert {code for _, _, code in every} == {code for _, _, code in expected}, name


def test_each_case_says_what_it_breaks() -> None:
    """A case of a rule expects that rule, and a clean one expects nothing."""
    for name, case, _ in CASES:
        kind = name.split(":")[0].partition("_")[2]
        codes = {code for _, _, code in case.expected()}
        assert (not codes) if kind == "clean" else (kind.upper() in codes), name
