"""Fixture cases: small trees with the expected findings inline.

A case begins with ``## name``. ``-- path`` begins a file; before the first, lines belong to DEFAULT_FILE. A line that
ends with ``#! RWD001`` expects that finding there. Every case lies over the clean tree of ``base.cases``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).parent / "cases"
DEFAULT_FILE = "tools/case.py"
PRELUDE = "from runward_service.plugins import Plugin\nfrom runward_service.plugins.builtin.b import B\n"
MARKER = re.compile(r"#!\s*((?:RWD\d+\s*)+)$")


@dataclass
class Case:
    """One small tree and what is to be found in it."""

    name: str
    files: dict[str, str] = field(default_factory=dict)

    def expected(self) -> set[tuple[str, int, str]]:
        """File, line and rule of each expected finding."""
        found = set()
        for path, text in self.files.items():
            for number, line in enumerate(text.splitlines(), 1):
                match = MARKER.search(line)
                if match:
                    found.update((path, number, code) for code in match[1].split())
        return found

    def write(self, folder: Path) -> None:
        """Write the tree below a folder."""
        for path, text in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def load(file: Path, default_file: str = DEFAULT_FILE, prelude: str = PRELUDE) -> list[Case]:
    """Read the cases of a file; ``prelude`` stands before what is in no named file."""
    cases: list[Case] = []
    for block in re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, body = block.partition("\n")
        case = Case(name.strip())
        path = default_file
        lines: dict[str, list[str]] = {}
        for line in body.split("\n"):
            if line.startswith("-- "):
                path = line[3:].strip()
                lines[path] = []
            elif path in lines or line.strip():
                lines.setdefault(path, []).append(line)
        for target, content in lines.items():
            begun = prelude if target == default_file and not body.lstrip().startswith("-- ") else ""
            case.files[target] = begun + "\n".join(content) + "\n"
        cases.append(case)
    return cases


BASE = load(CASES / "base.cases")[0]


def all_cases() -> list[tuple[str, Case]]:
    """Every case with an id of file and name."""
    return [(f"{file.stem}:{case.name}", case) for file in sorted(CASES.glob("rwd*.cases")) for case in load(file)]


def over_base(case: Case) -> Case:
    """A case over the clean tree."""
    return Case(case.name, {**BASE.files, **case.files})
