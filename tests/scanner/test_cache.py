"""The cache: a warm scan gives what a cold one gives, whatever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_scanner.scan import scan

from .scanner_cases import BASE

if TYPE_CHECKING:
    from pathlib import Path

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
