"""The command lines and the report formats."""

from __future__ import annotations

import json
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
