"""Code that was not written for the scanner: the service itself, installed packages, the standard library."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path

import pytest

from runward_scanner.scan import scan
from runward_scanner.settings import Settings

ROOT = Path(__file__).parents[2]
STDLIB = Path(sysconfig.get_path("stdlib"))


def test_service_has_no_finding() -> None:
    """The project's own service is clean, and every file of it is governed."""
    report = scan(ROOT / "service")
    assert report.findings == ()
    assert report.governed == report.files


@pytest.mark.parametrize("name", ["grpc", "rich", "click", "hypothesis", "google.protobuf"])
def test_installed_package_has_no_finding(name: str) -> None:
    """Packages of others are scanned without a finding."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    report = scan(Path(spec.origin).parent)
    assert report.findings == ()
    assert report.files > 0
    assert report.governed == 0


@pytest.mark.parametrize("name", ["json", "concurrent", "wsgiref", "ctypes", "dbm", "curses"])
def test_governing_any_code_does_not_crash(name: str) -> None:
    """Reading the standard library as if it were governed ends with a report."""
    folder = STDLIB / name
    report = scan(folder, Settings(base=STDLIB, explicit=True, roots=(name,)))
    assert report.governed == report.files
