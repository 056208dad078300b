"""The scanner, run over the service's own code in a process of its own: the service imports none of it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.domain.clock import now_us
from runward_service.domain.governance_report import CodeFinding, CodeScan, FindingStep
from runward_service.governance.installation import PACKAGES, SCANNER, SERVICE

if TYPE_CHECKING:
    from runward_service.governance.installation import Installation

SCAN_SECONDS = 30.0
CLEAN, FOUND = 0, 1
MAX_FINDINGS = 1_000
MAX_ERROR = 5_000
PROGRAM = """
import sys
from importlib.machinery import FileFinder, SourceFileLoader

class Source(SourceFileLoader):
    def get_code(self, name):
        return self.source_to_code(self.get_data(self.path), self.path)

def finder(folder, files=FileFinder.path_hook((Source, [".py"])), place=sys.argv.pop(1)):
    if folder != place and not folder.startswith(place + "/runward_scanner"):
        raise ImportError
    return files(folder)

sys.path_hooks.insert(0, finder)
sys.path.append(finder.__defaults__[1])
from runward_scanner.__main__ import main
sys.exit(main())
"""
"""The scanner as its sources have it, whatever its compiled files are.

Its folder is appended, so that no file beside it stands in for a module of the standard library.
"""


logger = logging.getLogger("runward.governance")


class ScanFailedError(Exception):
    """The scan could not be made; the message is a clause that says why."""


def scan(installation: Installation) -> CodeScan:
    """Scan the service's package by the scanner's default settings, whatever pyproject.toml lies above, and compare the
    compiled files of all packages.

    Raises ScanFailedError, also when it takes longer than SCAN_SECONDS or did not govern every file.
    """
    folder, scanner = installation.folders[SERVICE], installation.folders[SCANNER]
    command = [sys.executable, *interpreter_options(), "-c", PROGRAM, str(scanner.parent)]
    command += [folder.name, "--isolated", "--compiled", "--format", "json"]
    for package in PACKAGES:
        if package != SERVICE:
            command += ["--compiled-in", str(installation.folders[package])]
    time_us = now_us()
    try:
        done = subprocess.run(  # noqa: S603 - this Python, the scanner, the service's folder
            command,
            cwd=folder.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SCAN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ScanFailedError(f"the scan took longer than {SCAN_SECONDS:.0f} s") from None
    try:
        if done.returncode not in {CLEAN, FOUND}:
            raise ValueError("no such exit code is a scan's")
        return read_scan(json.loads(done.stdout), time_us, installation)
    except (ValueError, KeyError, TypeError) as error:
        logger.exception("the scanner wrote: %s", done.stderr.decode(errors="replace").strip()[-MAX_ERROR:])
        raise ScanFailedError(f"the scanner ended with {done.returncode} and no report that counts") from error


def interpreter_options() -> list[str]:
    """The options of a Python that takes the same compiled files as this one, and of which nothing else decides.

    Neither the environment, the working directory nor other packages (-I, -S).
    """
    options = ["-I", "-S", "-X", "utf8", *["-O"] * sys.flags.optimize]
    if sys.pycache_prefix is not None:
        options += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [*options, "-B"] if sys.dont_write_bytecode else options


def read_scan(report: dict[str, Any], time_us: int, installation: Installation) -> CodeScan:
    """A scan from the scanner's JSON, files by their paths in the installation.

    Raises KeyError, TypeError or ValueError where it is not such a report.
    """
    if not 0 < report["files"] == report["governed"]:
        raise ValueError(f"{report['governed']} of {report['files']} files are governed")
    rules = tuple(str(rule["id"]) for rule in report["rules"])
    findings = tuple(_finding(item, installation) for item in report["findings"][:MAX_FINDINGS])
    return CodeScan(str(report["version"]), rules, findings, time_us)


def _finding(item: dict[str, Any], installation: Installation) -> CodeFinding:
    path = (
        installation.relative(Path(item["path"])) or item["path"]
    )  # what is compared in other folders has whole paths
    steps = tuple(FindingStep(step["path"], step["line"], step["column"], step["note"]) for step in item["steps"])
    return CodeFinding(item["rule"], path, item["line"], item["column"], item["message"], steps)
