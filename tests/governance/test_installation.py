"""What is installed, against what was built; the verdict that follows; the cache of what the scanner said."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import py_compile
from typing import TYPE_CHECKING

import pytest

from runward_service.domain import errors as domain_errors
from runward_service.domain.errors import GovernedError
from runward_service.domain.governance_report import (
    Attestation,
    CodeFinding,
    CodeScan,
    FileChange,
    FileChangeKind,
    FindingStep,
)
from runward_service.governance.attestation import CodeAttestation, code_digest, report_of
from runward_service.governance.installation import PACKAGES, Installation, read_installation
from runward_service.governance.scanning import ScanFailedError, read_scan, scan
from runward_service.governance.verdict_cache import VerdictCache
from runward_service.runtime.loaded_code import file_digest, loaded_digests

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

TOOL_RUNNER = "runward_service/runtime/tool_runner.py"
CHANGE = FileChange("x.py", FileChangeKind.ADDED)
FINDING = CodeFinding("RWD001", TOOL_RUNNER, 3, 5, "no", (FindingStep(TOOL_RUNNER, 1, 1, "here"),))
OTHER = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def installation() -> Installation:
    """This environment's own, with what a wheel of this very tree would have recorded."""
    found = read_installation()
    return dataclasses.replace(found, recorded=dict(found.digests), unrecorded="")


@pytest.fixture
def small(tmp_path: Path) -> Installation:
    """Three packages of a file each."""
    digests = {}
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"NAME = {package!r}\n")
        digests[f"{package}/__init__.py"] = file_digest(tmp_path / package / "__init__.py")
    return Installation({package: tmp_path / package for package in PACKAGES}, digests, dict(digests))


def test_code_as_it_was_built(installation: Installation) -> None:
    """Where every file is as recorded and every module comes from there, there is no change."""
    assert list(installation.changes()) == []
    assert TOOL_RUNNER in installation.digests
    assert "runward_service/store/migrations/0001_initial.sql" in installation.digests
    assert report_of(installation, CodeScan(), []).attestation is Attestation.ATTESTED


def test_every_kind_of_difference_is_told(installation: Installation) -> None:
    """A file of other bytes, one that is gone, one that nobody built: each by its kind, with the digests there are."""
    assert installation.recorded is not None
    recorded = {**installation.recorded, TOOL_RUNNER: OTHER, "runward_service/gone.py": OTHER}
    added = recorded.pop("runward_scanner/__main__.py")
    changed = dataclasses.replace(installation, recorded=recorded)
    assert set(changed.changes()) == {
        FileChange(TOOL_RUNNER, FileChangeKind.MODIFIED, OTHER, installation.digests[TOOL_RUNNER]),
        FileChange("runward_service/gone.py", FileChangeKind.MISSING, OTHER),
        FileChange("runward_scanner/__main__.py", FileChangeKind.ADDED, "", added),
    }


@pytest.mark.parametrize("unrecorded", ["", "it is editable"])
def test_a_file_that_cannot_be_read_is_told(small: Installation, unrecorded: str) -> None:
    """Python may have compiled a file that nobody can read any more: recorded or not, it is not what was built."""
    changed = dataclasses.replace(
        small,
        digests={**small.digests, "runward_service/__init__.py": ""},
        recorded=None if unrecorded else small.recorded,
        unrecorded=unrecorded,
    )
    found = [(change.path, change.kind) for change in changed.changes() if not change.path.startswith("/")]
    assert found == [("runward_service/__init__.py", FileChangeKind.MODIFIED)]


def test_compiled_modules_are_never_built(small: Installation) -> None:
    """In an installation that records nothing, what no scanner can read is a difference."""
    digests = {**small.digests, "runward_service/fast.so": OTHER, "runward/late.pyc": OTHER, "runward/a.sql": OTHER}
    changed = dataclasses.replace(small, digests=digests, recorded=None, unrecorded="it is editable")
    found = {change.path for change in changed.changes() if change.kind is FileChangeKind.ADDED}
    assert found == {"runward_service/fast.so", "runward/late.pyc"}


def test_a_damaged_record_is_told(small: Installation) -> None:
    """Where RECORD has lines that are none, it is RECORD that is not what was built."""
    damaged = dataclasses.replace(small, damaged=True)
    assert FileChange("RECORD", FileChangeKind.MODIFIED) in list(damaged.changes())


def test_modules_from_elsewhere_are_told(small: Installation) -> None:
    """A module of the service that this process has loaded from another place than the installation is a difference."""
    changes = {change.path: change.kind for change in small.changes()}
    assert changes[domain_errors.__file__] is FileChangeKind.ELSEWHERE


@pytest.mark.parametrize(
    ("findings", "changes", "failure", "unrecorded", "verdict"),
    [
        ((), [], "", "", Attestation.ATTESTED),
        ((), [], "", "it is editable", Attestation.UNATTESTED),
        ((FINDING,), [], "", "it is editable", Attestation.VIOLATED),
        ((FINDING,), [], "", "", Attestation.VIOLATED),
        ((), [CHANGE], "", "", Attestation.VIOLATED),
        ((), [CHANGE], "no scan", "", Attestation.VIOLATED),
        ((), [], "no scan", "it is editable", Attestation.INCONCLUSIVE),
        ((), [], "no scan", "", Attestation.INCONCLUSIVE),
    ],
)
def test_the_verdict(  # noqa: PLR0917 - pytest passes each by name
    small: Installation,
    findings: tuple[CodeFinding, ...],
    changes: list[FileChange],
    failure: str,
    unrecorded: str,
    verdict: Attestation,
) -> None:
    """Any finding or change violates, a scan that failed proves nothing; clean code without a record is UNATTESTED.

    Only ATTESTED needs no reason, and a reason names what is wrong.
    """
    installation = dataclasses.replace(small, unrecorded=unrecorded)
    report = report_of(installation, CodeScan(findings=findings), changes, failure)
    assert report.attestation is verdict
    assert bool(report.reason) == (verdict is not Attestation.ATTESTED)
    for part in (*(item.path for item in (*changes, *findings)), failure):
        assert part in report.reason


def test_the_code_digest_is_that_of_sha256sum(small: Installation) -> None:
    """Anyone can compute it: the SHA-256 of what sha256sum prints for the files in the order of their paths."""
    printed = "".join(
        f"{hashlib.sha256(small.file(path).read_bytes()).hexdigest()}  {path}\n" for path in sorted(small.digests)
    )
    expected = f"sha256:{hashlib.sha256(printed.encode()).hexdigest()}"
    assert code_digest(dict(sorted(small.digests.items()))) == expected


def test_the_cache_gives_back_what_it_was_given(small: Installation) -> None:
    """A scan comes back whole for the same code."""
    found = CodeScan("1.0", ("RWD000", "RWD001"), (FINDING,), 1_700_000_000_000_000)
    assert VerdictCache(small).read() is None
    VerdictCache(small).write(found)
    assert VerdictCache(small).read() == found


@pytest.mark.parametrize("path", [f"{package}/__init__.py" for package in PACKAGES])
def test_the_cache_knows_nothing_of_other_code(small: Installation, path: str) -> None:
    """Other bytes in a package, or in its compiled file, ask for a new scan."""
    VerdictCache(small).write(CodeScan("1.0"))
    changed = dataclasses.replace(small, digests={**small.digests, path: OTHER})
    assert VerdictCache(changed).read() is None
    py_compile.compile(str(small.file(path)), doraise=True)
    assert VerdictCache(small).read() is None


def test_a_cache_that_was_edited_is_none(small: Installation) -> None:
    """A finding that was taken out by hand is found again."""
    VerdictCache(small).write(CodeScan("1.0", ("RWD001",), (FINDING,)))
    (file,) = (small.folders["runward_service"] / "__pycache__").glob("*.json")
    data = json.loads(file.read_text())
    data["scan"]["findings"] = []
    file.write_text(json.dumps(data))
    assert VerdictCache(small).read() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key": 1}', "\udcff", "[" * 100_000])
def test_a_cache_that_cannot_be_read_is_none(small: Installation, text: str) -> None:
    """Whatever stands in the file, it ends in a new scan."""
    VerdictCache(small).write(CodeScan("1.0"))
    (file,) = (small.folders["runward_service"] / "__pycache__").glob("*.json")
    file.write_text(text, errors="surrogateescape")
    assert VerdictCache(small).read() is None


def test_a_folder_that_cannot_be_written_costs_a_scan_and_no_more(small: Installation) -> None:
    """Keeping a verdict never fails."""
    (small.folders["runward_service"] / "__pycache__").write_text("no folder")
    VerdictCache(small).write(CodeScan("1.0"))
    assert VerdictCache(small).read() is None


def test_the_real_scanner_gives_a_scan(installation: Installation) -> None:
    """The scanner's report is read: its version, its rules, no finding in this service."""
    found = scan(installation)
    assert found.version
    assert found.rules[:2] == ("RWD000", "RWD001")
    assert found.findings == ()


def test_a_scan_that_does_not_end_is_none(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a scan is bounded."""
    monkeypatch.setattr("runward_service.governance.scanning.SCAN_SECONDS", 0.0)
    with pytest.raises(ScanFailedError, match="took longer than"):
        scan(installation)


def test_a_scan_of_nothing_is_none(small: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """A scanner that is not there ends in a ScanFailedError; what it said is for the log alone."""
    with pytest.raises(ScanFailedError, match="the scanner ended with 1 and no report"):
        scan(small)
    assert "No module named 'runward_scanner.__main__'" in caplog.text


@pytest.mark.parametrize(
    "report",
    [
        {"files": 0, "governed": 0, "rules": [], "version": "1", "findings": []},
        {"files": 2, "governed": 1, "rules": [], "version": "1", "findings": []},
        {"files": 1, "governed": 1, "rules": [], "version": "1"},
        {"files": 1, "governed": 1, "rules": [], "version": "1", "findings": [{"rule": "RWD001"}]},
    ],
)
def test_a_report_that_proves_nothing(small: Installation, report: dict[str, Any]) -> None:
    """A report on no files, on files that were not governed, or without its findings is refused."""
    with pytest.raises((KeyError, ValueError)):
        read_scan(report, 0, small)


def test_nothing_is_admitted_unchecked() -> None:
    """Before the check there is no verdict that holds."""
    with pytest.raises(GovernedError, match="runs no plugin"):
        CodeAttestation().admit()


def test_a_worker_with_other_code_is_refused(installation: Installation) -> None:
    """Other bytes of a file of the service violate, from then on; the same bytes do not."""
    same = loaded_digests({"runward_service"})
    name = "runward_service/domain/errors.py"
    path = str(installation.file(name))
    assert same[path] == installation.digests[name]

    attestation = CodeAttestation()
    asyncio.run(attestation.check())
    heard: list[bool] = []
    attestation.listen(lambda: heard.append(attestation.holds))
    assert attestation.check_worker("tool", same) == ""
    assert (attestation.holds, heard) == (True, [])
    for digest in (OTHER, ""):
        assert name in attestation.check_worker("tool", {**same, path: digest})
    assert attestation.report.attestation is Attestation.VIOLATED
    assert [(change.path, change.actual) for change in attestation.report.changes] == [(name, OTHER), (name, "")]
    assert heard == [False, False]
