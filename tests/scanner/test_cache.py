"""The cache: a warm scan gives what a cold one gives, whatever changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from runward_scanner.scan import scan

from .scanner_cases import BASE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HELPER = "runward_service/domain/help.py"
USER = "tools/case.py"


def tree(folder: Path) -> None:
    """The clean tree with a helper that calls what it is given, and a user that gives it a number."""
    BASE.write(folder)
    (folder / "tools").mkdir()
    (folder / HELPER).write_text("def call(x):\n    return x.run(1)\n", encoding="utf-8")
    (folder / USER).write_text("from runward_service.domain.help import call\ncall(1)\n", encoding="utf-8")


def test_warm_equals_cold(tmp_path: Path) -> None:
    """A second scan of the same files gives the same report, and writes nothing new."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / USER).write_text("from runward_service.plugins import Plugin\nPlugin.run(1)\n", encoding="utf-8")
    cold = scan(code, cache=cache)
    before = [file.stat().st_mtime_ns for file in cache.iterdir()]
    warm = scan(code, cache=cache)
    assert cold.findings
    assert warm == cold
    assert [file.stat().st_mtime_ns for file in cache.iterdir()] == before


def test_a_change_elsewhere_is_seen(tmp_path: Path) -> None:
    """A finding in an unchanged file that another file's change brings about appears in a warm scan."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    assert scan(code, cache=cache).findings == ()
    text = "from runward_service.domain.help import call\nfrom runward_service.plugins.builtin.b import B\ncall(B())\n"
    (code / USER).write_text(text, encoding="utf-8")
    warm = scan(code, cache=cache)
    assert [(finding.code, finding.place.line) for finding in warm.findings] == [("RWD001", 2)]
    assert warm == scan(code)


def test_a_damaged_cache_is_ignored(tmp_path: Path) -> None:
    """A cache file that does not read costs time, nothing else."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    first = scan(code, cache=cache)
    for file in cache.iterdir():
        file.write_text("{", encoding="utf-8")
    assert scan(code, cache=cache) == first


OUTSIDE = "vendorless/other.py"
EDITS = (
    "\nfrom runward_service.plugins import Plugin\nPlugin.run(1)\n",
    "\ndef harmless():\n    return 1\n",
    "\nimport runward_service.runtime.tool_runner\n",
    "\ndef (:\n",
    "\n# runward: ignore\n",
)


def test_warm_equals_cold_after_any_edit(tmp_path: Path) -> None:
    """Whichever file is edited, and however, a warm scan finds what a cold one does."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / "vendorless").mkdir()
    (code / OUTSIDE).write_text("x = 1\n", encoding="utf-8")
    chance = random.Random(7)
    for file in sorted(code.rglob("*.py")):
        before = file.read_text(encoding="utf-8")
        for edit in chance.sample(EDITS, 3):
            file.write_text(before + edit, encoding="utf-8")
            assert scan(code, cache=cache) == scan(code), (file, edit)
        file.write_text(before, encoding="utf-8")
        assert scan(code, cache=cache).findings == ()


def test_a_change_that_nothing_reads_keeps_the_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not governed, and that governed code does not use, is looked at by itself."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / "vendorless").mkdir()
    (code / OUTSIDE).write_text("x = 1\n", encoding="utf-8")
    cold = scan(code, cache=cache)
    monkeypatch.setattr("runward_scanner.scan.Engine", None)
    (code / OUTSIDE).write_text("x = 2\n", encoding="utf-8")
    assert scan(code, cache=cache) == cold
    (code / OUTSIDE).write_text("x = (\n", encoding="utf-8")
    assert [finding.code for finding in scan(code, cache=cache).findings] == ["RWD000"]
