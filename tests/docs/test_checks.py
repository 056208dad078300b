"""What checks the tree: CI, make, and the hook that other repositories use."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = ROOT / ".github" / "workflows" / "execution-ci.yml"
ORDER = ["scan", "lifecycle", "execution", "rest"]
"""The specification's section 8: scanner, lifecycle tests, execution tests; then everything else."""


def steps() -> list[dict[str, Any]]:
    """The steps of the one job of CI."""
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_ci_and_make_check_have_the_specified_order() -> None:
    """Both run the scanner first, then the lifecycle tests, then the execution tests, then the rest."""
    check = re.search(r"^check: (.*?) ##", MAKEFILE, re.MULTILINE)
    assert check is not None
    assert check[1].split() == ORDER
    made = [step["run"].removeprefix("make ") for step in steps() if step.get("run", "").startswith("make ")]
    assert [target for target in made if target in ORDER] == ORDER


def test_ci_uploads_what_make_sarif_writes() -> None:
    """The findings are written even when there are some, and that very file is uploaded.

    The action that does it is pinned by its major version.
    """
    names = [step.get("run", step.get("uses", "")).split("@")[0] for step in steps()]
    upload = steps()[names.index("github/codeql-action/upload-sarif")]
    assert names.index("make scan") < names.index("make sarif") < names.index("github/codeql-action/upload-sarif")
    assert re.fullmatch(r"github/codeql-action/upload-sarif@v\d+", upload["uses"])
    assert f"> {upload['with']['sarif_file']} " in MAKEFILE
    for name in ("make sarif", "github/codeql-action/upload-sarif"):
        assert "!cancelled()" in steps()[names.index(name)]["if"]
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"]["security-events"] == "write"


@pytest.mark.parametrize(
    ("code", "status"), [("x = 1\n", 0), ("def go(plugin):\n    return plugin.run(1)\n", 1), ("", 2)]
)
def test_the_pre_commit_hook_runs(tmp_path: Path, code: str, status: int) -> None:
    """Its entry with its arguments, in the root of another repository, ends as the scanner does."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("runward-scanner", "python", False)
    if code:
        module = tmp_path / "runward_service" / "case.py"
        module.parent.mkdir()
        module.write_text(code)
        for name in ("json", "runward_scanner"):  # which are not imported
            (tmp_path / f"{name}.py").write_text("raise SystemExit(5)\n")
    program, *arguments = [*shlex.split(hook["entry"]), *hook["args"]]
    assert program == "python"
    assert subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=False).returncode == status


FORBIDDEN = {
    "grpc": "gRPC under api/ and in server.py alone",
    "sqlite3": "SQLite under store/ alone",
    "runward.v1.jobs_pb2": "The messages of the API under api/ alone",
    "runward_scanner": "The service imports nothing of the scanner",
}


def test_a_module_that_is_new_is_under_the_contracts(tmp_path: Path) -> None:
    """Nobody has to name a new module there: it may import neither gRPC nor SQLite nor the API nor the scanner."""
    for name in ("clients", "service", "scanner"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    newcomer = tmp_path / "service" / "runward_service" / "newcomer.py"
    newcomer.write_text("".join(f"import {name}\n" for name in FORBIDDEN))
    folders = (tmp_path / "clients" / "python", tmp_path / "service", tmp_path / "scanner")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = re.findall(r"^(.*) BROKEN", done.stdout, re.MULTILINE)
    assert len(broken) == len(FORBIDDEN), done.stdout + done.stderr
    for contract in FORBIDDEN.values():
        assert any(name.startswith(contract) for name in broken)
