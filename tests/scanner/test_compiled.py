"""Compiled files beside their sources."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
from typing import TYPE_CHECKING

import pytest

from runward_scanner.__main__ import main
from runward_scanner.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

MODES = list(py_compile.PycInvalidationMode)
HONEST = "def go():\n    return 'as it says'\n"
OTHER = "def go():\n    return 'other code'\n"


def compiled(folder: Path, text: str, mode: py_compile.PycInvalidationMode) -> Path:
    """Beside a source of HONEST the compiled form of a text of the same length, made to look like the source's own."""
    source = folder / "case.py"
    source.write_text(text, encoding="utf-8")
    os.utime(source, (1_700_000_000, 1_700_000_000))
    path = py_compile.compile(str(source), invalidation_mode=mode, doraise=True)
    assert path is not None
    source.write_text(HONEST, encoding="utf-8")
    os.utime(source, (1_700_000_000, 1_700_000_000))
    found = folder / path
    if mode is py_compile.PycInvalidationMode.CHECKED_HASH:
        data = bytearray(found.read_bytes())
        data[8:16] = importlib.util.source_hash(source.read_bytes())
        found.write_bytes(data)
    return found


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_bytecode_of_other_code_is_found(tmp_path: Path, mode: py_compile.PycInvalidationMode) -> None:
    """What Python would run in place of a source is compared with it, whatever makes Python take the two for one."""
    compiled(tmp_path, OTHER, mode)
    (finding,) = scan(tmp_path, compiled=True).findings
    assert (finding.code, finding.place.path) == ("RWD000", str(tmp_path / "case.py"))
    assert scan(tmp_path).findings == ()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_sources_own_bytecode_is_fine(tmp_path: Path, mode: py_compile.PycInvalidationMode) -> None:
    """A compiled file of the very source is no finding."""
    compiled(tmp_path, HONEST, mode)
    assert scan(tmp_path, compiled=True).findings == ()


def test_bytecode_that_python_would_not_run_does_not_matter(tmp_path: Path) -> None:
    """One of another time, of another Python, or no compiled file at all, is compiled anew before anything is run."""
    path = compiled(tmp_path, OTHER, py_compile.PycInvalidationMode.TIMESTAMP)
    data = path.read_bytes()
    for other in (data[:8] + b"\1\2\3\4" + data[12:], b"none" + data[4:], data[:10], b""):
        path.write_bytes(other)
        assert scan(tmp_path, compiled=True).findings == ()


def test_damaged_bytecode_is_found(tmp_path: Path) -> None:
    """Code that cannot be read back is not the source's."""
    path = compiled(tmp_path, HONEST, py_compile.PycInvalidationMode.UNCHECKED_HASH)
    path.write_bytes(path.read_bytes()[:-20])
    assert [finding.code for finding in scan(tmp_path, compiled=True).findings] == ["RWD000"]


def test_the_command_line_asks_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--compiled finds it, and JSON names the rules that were applied."""
    compiled(tmp_path, OTHER, py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert main([str(tmp_path)]) == 0
    capsys.readouterr()
    assert main([str(tmp_path), "--compiled", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["rules"][0]["id"] == report["findings"][0]["rule"] == "RWD000"
    assert report["rules"][0]["title"]


def test_isolated_looks_for_no_settings(tmp_path: Path) -> None:
    """--isolated takes the defaults, whatever the nearest pyproject.toml says."""
    bad = tmp_path / "service" / "runward_service"
    bad.mkdir(parents=True)
    (bad / "case.py").write_text("def go(plugin):\n    return plugin.run(1)\n", encoding="utf-8")
    settings = tmp_path / "pyproject.toml"
    settings.write_text("[tool.runward_scanner]\nroots = ['elsewhere']\n", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    assert main([str(bad)]) == 0
    assert main([str(bad), "--isolated"]) == 1
    settings.write_text("[tool.runward_scanner]\nroots = 1\n", encoding="utf-8")
    assert main([str(bad)]) == 2
    assert main([str(bad), "--isolated"]) == 1


def test_further_folders_are_compared_and_not_scanned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--compiled-in`` looks at the compiled files of other folders; their code is no part of the scan."""
    scanned, beside = tmp_path / "scanned", tmp_path / "beside"
    for folder in (scanned, beside):
        folder.mkdir()
    (scanned / "case.py").write_text(HONEST, encoding="utf-8")
    (beside / "bad.py").write_text(
        "import runward_service.plugins\ndef f(plugin):\n    plugin.run(1)\n", encoding="utf-8"
    )
    compiled(beside, OTHER, py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert main([str(scanned), "--compiled", "--compiled-in", str(beside), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(item["rule"], item["path"]) for item in report["findings"]] == [("RWD000", str(beside / "case.py"))]
    assert report["files"] == 1
