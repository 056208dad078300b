"""Reading files as Python does, and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runward_scanner.scan import NothingToScanError, scan
from runward_scanner.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from pathlib import Path

CODE = "from runward_service.plugins import Plugin\ndef go(x: Plugin):\n    x.run(1)\n"


@pytest.mark.parametrize(
    "data",
    [
        CODE.encode(),
        CODE.replace("\n", "\r\n").encode(),
        CODE.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + CODE.encode(),
        b"# coding: latin-1\n# \xe9\n" + CODE.encode(),
        b"# -*- coding: utf-7 -*-\n" + CODE.encode("utf-7"),
        CODE.replace("x.run", "x.\\\n   run").encode(),
        CODE.replace("x.run", "x.\uff52\uff55\uff4e").encode(),
        b"\x0c" + CODE.encode(),
    ],
    ids=["plain", "crlf", "cr", "bom", "latin-1", "utf-7", "continued", "full-width", "form-feed"],
)
def test_hiding_by_encoding_fails(data: bytes, tmp_path: Path) -> None:
    """However a file is encoded, a violation in it is found."""
    (tmp_path / "case.py").write_bytes(data)
    assert [finding.code for finding in scan(tmp_path).findings] == ["RWD001"]


@pytest.mark.parametrize("data", [b"x = 1\0\n", b"# coding: klingon\nx = 1\n", b"x = '\xff'\n", b"def (:\n"])
def test_what_cannot_be_read_is_a_violation(data: bytes, tmp_path: Path) -> None:
    """Null bytes, unknown encodings, bytes that do not decode and broken syntax are violations."""
    (tmp_path / "case.py").write_bytes(data)
    assert [finding.code for finding in scan(tmp_path).findings] == ["RWD000"]


@pytest.mark.parametrize(
    "text", ["x.run(1)" + " + 1" * 400, "x.run(1)" + ".next()" * 150, "[" * 80 + "x.run(1)" + "]" * 80]
)
def test_depth_hides_nothing(text: str, tmp_path: Path) -> None:
    """A violation deep within an expression is found."""
    (tmp_path / "case.py").write_text(CODE.replace("x.run(1)", text), encoding="utf-8")
    assert [finding.code for finding in scan(tmp_path).findings] == ["RWD001"]


@pytest.mark.parametrize("count", [700, 5000])
def test_what_is_nested_too_deep_is_a_violation(count: int, tmp_path: Path) -> None:
    """Code that nests deeper than anybody can follow is one, whether Python's own parser takes it or not."""
    (tmp_path / "case.py").write_text(CODE.replace("x.run(1)", "1" + " + 1" * count), encoding="utf-8")
    assert {finding.code for finding in scan(tmp_path).findings} == {"RWD000"}


@pytest.mark.parametrize("name", ["pyvenv.cfg", ".git/x"])
def test_no_folder_of_a_governed_root_is_passed_over(name: str, tmp_path: Path) -> None:
    """Neither what a virtual environment is known by nor a tool's folder keeps files below a root from being read."""
    folder = tmp_path / "runward_service" / "part"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).touch()
    ((folder / name).parent / "case.py").write_text(CODE, encoding="utf-8")
    assert [finding.code for finding in scan(tmp_path).findings] == ["RWD001"]


def test_a_byte_order_mark_alone_is_an_empty_file(tmp_path: Path) -> None:
    """Python takes such a file, so it is no violation."""
    (tmp_path / "case.py").write_bytes(b"\xef\xbb\xbf")
    assert scan(tmp_path).findings == ()


def test_dangling_link_is_a_violation(tmp_path: Path) -> None:
    """A Python file that cannot be opened is a violation."""
    (tmp_path / "case.py").symlink_to(tmp_path / "absent.py")
    assert [finding.code for finding in scan(tmp_path).findings] == ["RWD000"]


def test_scanning_nothing_is_an_error(tmp_path: Path) -> None:
    """A folder without Python files, and a path that does not exist, are errors."""
    with pytest.raises(NothingToScanError):
        scan(tmp_path)
    with pytest.raises(NothingToScanError):
        scan(tmp_path / "absent")


def test_single_file(tmp_path: Path) -> None:
    """One file can be scanned, whatever its name ends with."""
    (tmp_path / "tool").write_text(CODE, encoding="utf-8")
    assert len(scan(tmp_path / "tool").findings) == 1


@pytest.mark.parametrize(
    "text",
    [
        '[tool.runward_scanner]\nroots = ["a"]\nexclude = [] # none\n',
        '[tool.runward_scanner]\nroots = [\n  "a",\n]\n',
        '[tool]\nrunward_scanner = {roots = ["a"]}\n',
        'tool.runward_scanner.roots = ["a"]\n',
        '[tool."runward\\u005fscanner"]\nroots = ["a"]\n',
        'x = """\n[tool.runward_scanner]\nroots = ["b"]\n"""\n[tool.runward_scanner]\nroots = ["a"]\n',
        '[tool.other]\nroots = ["b"]\n[tool.runward_scanner]\nroots = ["a"]\n[tool.more]\nroots = ["c"]\n',
    ],
)
def test_settings_are_the_same_however_they_are_written(tmp_path: Path, text: str) -> None:
    """Any form that TOML has for a table and its keys is read."""
    (tmp_path / "a").mkdir()
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert load_settings(tmp_path) == Settings(base=str(tmp_path), explicit=True, roots=("a",))


def test_settings_come_from_the_nearest_pyproject(tmp_path: Path) -> None:
    """The nearest pyproject.toml above the path is read; without the section it means the defaults."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.runward_scanner]\nroots = ["a"]\n', encoding="utf-8")
    assert load_settings(inner).roots == ("a",)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert load_settings(inner).roots == Settings().roots


@pytest.mark.parametrize(
    "text",
    [
        "roots = []",
        "roots = 1",
        "nonsense = 1",
        "layers = 1",
        'layers = [{name = "a"}]',
        'exclude = ["a/*"]\nroots = ["a"]\nexclude2 = 1',
    ],
)
def test_wrong_settings_are_refused(text: str, tmp_path: Path) -> None:
    """Settings that mean nothing are an error, not ignored."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.runward_scanner]\n{text}\n", encoding="utf-8")
    with pytest.raises(SettingsError):
        load_settings(tmp_path)


def test_exclusion_never_covers_a_root(tmp_path: Path) -> None:
    """A configured root cannot be excluded; a file outside one can."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "t.py").write_text(CODE, encoding="utf-8")
    head = '[tool.runward_scanner]\nroots = ["a"]\n'
    (tmp_path / "pyproject.toml").write_text(head + 'exclude = ["t.py", "a/x.py"]\n', encoding="utf-8")
    assert [finding.place.path for finding in scan(tmp_path).findings] == [str(tmp_path / "a" / "x.py")]
    (tmp_path / "pyproject.toml").write_text(head + 'exclude = ["a"]\n', encoding="utf-8")
    with pytest.raises(SettingsError):
        scan(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_scanned_without_a_crash(data: bytes, tmp_path: Path) -> None:
    """Whatever a file holds, the scan ends with a report."""
    (tmp_path / "case.py").write_bytes(b"import runward_service\n" + data)
    scan(tmp_path)
