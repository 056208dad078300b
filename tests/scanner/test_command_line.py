"""The command lines and the report formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runward_scanner.__main__ import main
from runward_scanner.command import scan as scan_command

if TYPE_CHECKING:
    from pathlib import Path

BAD = "from runward_service.plugins import Plugin\n\n\ndef gö(x: Plugin):\n    y = x\n    é = y.run(1)\n"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A tree with one finding, on a line with letters that take two bytes."""
    (tmp_path / "case.py").write_text(BAD, encoding="utf-8")
    return tmp_path


def test_exit_codes(bad: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]) -> None:
    """0 without findings, 1 with, 2 where nothing can be scanned."""
    clean = tmp_path_factory.mktemp("clean")
    (clean / "fine.py").write_text("x = 1\n", encoding="utf-8")
    assert main([str(bad)]) == 1
    assert main([str(clean)]) == 0
    assert main([str(tmp_path_factory.mktemp("empty"))]) == 2
    assert main([str(bad / "absent")]) == 2
    assert main([]) == 2
    assert "holds no Python file" in capsys.readouterr().err


def test_text_has_line_and_caret(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text shows the line and a caret under the place, counted in characters."""
    main([str(bad)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("case.py:6:9: RWD001 Plugin's run is reached outside ToolRunner") or "RWD001" in lines[0]
    assert lines[1] == "        é = y.run(1)"
    assert lines[2] == "            ^^^^^"


def test_json(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON holds rule, place from 1 and the steps."""
    main([str(bad), "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    finding = report["findings"][0]
    assert (finding["rule"], finding["line"], finding["column"]) == ("RWD001", 6, 9)
    assert finding["steps"][0]["line"] == 5


def test_github(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub annotations escape what the format reserves."""
    main([str(bad), "--format", "github"])
    line = capsys.readouterr().out
    assert line.startswith("::error file=")
    assert ",line=6,col=9," in line


def test_sarif(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SARIF holds the finding with the path that proves it."""
    assert main([str(bad), "--format", "sarif"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "RWD001"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 6, "startColumn": 9, "endColumn": 14}
    assert len(result["codeFlows"][0]["threadFlows"][0]["locations"]) >= 2


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """--explain tells of a rule in any case of letters, and refuses one that does not exist."""
    assert main(["--explain", "rwd001"]) == 0
    assert capsys.readouterr().out.startswith("RWD001: ")
    assert main(["--explain", "RWD999"]) == 2


def test_click_command(bad: Path) -> None:
    """``runward scan`` gives the same report and exit code."""
    result = CliRunner().invoke(scan_command, [str(bad), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)["findings"][0]["rule"] == "RWD001"
    assert CliRunner().invoke(scan_command, ["--explain", "RWD002"]).exit_code == 0
    assert CliRunner().invoke(scan_command, []).exit_code == 2


ODD = (b"\xff.py", b"a\nb c.py", "\u202eo.py".encode())
"""Names that are no UTF-8, have a line break, turn the direction of letters."""


MODULE = ("-m", "runward_scanner")
COMMAND = ("-m", "runward", "scan")


def program(*arguments: str, named: tuple[str, ...] = MODULE, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the scanner as a program."""
    command = [sys.executable, *named, *arguments]
    return subprocess.run(command, check=False, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_of_any_bytes(tmp_path: Path, encoding: str) -> None:
    """Every format is written, whatever bytes are in names and whatever the output's encoding can hold: JSON and SARIF
    parse and name the files, a finding's line of text or annotation is one line.
    """
    for name in ODD:
        (tmp_path / os.fsdecode(name)).write_text(BAD, encoding="utf-8")
    variables = {**os.environ, "PYTHONIOENCODING": encoding}
    said = {}
    for name in ("text", "json", "sarif", "github"):
        done = program(".", "--format", name, cwd=tmp_path, env=variables, stdout=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (1, b"")
        said[name] = done.stdout.decode()
    assert {os.fsencode(finding["path"]) for finding in json.loads(said["json"])["findings"]} == set(ODD)
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in json.loads(said["sarif"])["runs"][0]["results"]
    }
    assert uris == {"%FF.py", "a%0Ab%20c.py", "%E2%80%AEo.py"}
    assert len(said["github"].splitlines()) == len(ODD)
    assert "\\udcff.py:6:9: RWD001" in said["text"]
    assert "a\\nb c.py:6:9: RWD001" in said["text"]
    assert "\\u202eo.py:6:9: RWD001" in said["text"]


@pytest.mark.parametrize("named", [MODULE, COMMAND])
def test_a_reader_that_wants_only_the_beginning(tmp_path: Path, named: tuple[str, ...]) -> None:
    """Where the output is closed early, as head does it, the exit code is that of the findings and nothing is said."""
    for number in range(400):
        (tmp_path / f"case_{number}.py").write_text(BAD, encoding="utf-8")
    reader, writer = os.pipe()
    os.close(reader)
    done = program(str(tmp_path), named=named, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("named", [MODULE, COMMAND])
def test_a_report_that_cannot_be_written_is_none(bad: Path, named: tuple[str, ...]) -> None:
    """Findings that nobody could read end as a scan that could not be made."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = program(str(bad), named=named, stdout=full)
    assert (done.returncode, b"cannot be written" in done.stderr) == (2, True)


def test_a_fault_of_the_scanner_is_no_finding(
    bad: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong within, the exit code is not that of findings."""
    monkeypatch.setattr("runward_scanner.run.FORMATS", {})
    assert main([str(bad)]) == 2
    assert "The scan failed: KeyError." in capsys.readouterr().err


def test_what_the_system_refuses_is_told_in_a_line(
    bad: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder above the path that may not be looked into is no fault of the scanner's."""

    def refused(path: str) -> bool:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("runward_scanner.settings._is_file", refused)
    assert main([str(bad)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Permission denied" in line


def test_nothing_of_the_scanned_folder_is_run(tmp_path: Path) -> None:
    """Files named as modules of Python's are read, not imported, in whatever folder the scanner is started."""
    for name in ("io", "pathlib", "ast", "json", "argparse", "tokenize", "tomllib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(5)\n", encoding="utf-8")
    assert program(".", "--format", "json", cwd=tmp_path, stdout=subprocess.PIPE).returncode == 0


@pytest.mark.parametrize("arguments", [[""], ["--format", "json", ""]])
def test_an_empty_path_is_none(arguments: list[str]) -> None:
    """A variable that is not set does not have the working directory scanned."""
    assert main(arguments) == 2
    assert CliRunner().invoke(scan_command, arguments).exit_code == 2


def test_the_caret_stands_below_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tabs are one column, wide letters two, and nothing in the line moves the cursor."""
    line = "\tg = '\uff21\U00020000e\u0301\x1b[2K\u202e'; p.run(1)"
    (tmp_path / "case.py").write_text(
        f"from runward_service.plugins import Plugin\ndef f(p: Plugin):\n{line}\n", "utf-8"
    )
    assert main([str(tmp_path)]) == 1
    shown, caret = capsys.readouterr().out.split("\n")[1:3]
    assert shown == "     g = '\uff21\U00020000e\u0301\ufffd[2K\ufffd'; p.run(1)"
    assert caret.index("^") == shown.index("p.run") + 2 - 1
    assert caret.count("^") == len("p.run")
    main([str(tmp_path), "--format", "sarif"])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "p.run"
