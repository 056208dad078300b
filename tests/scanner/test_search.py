"""Which files a scan reads: links, pipes, folders that hide, names of any bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runward_scanner.scan import scan
from runward_scanner.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.scan import Report

BAD = "def go(plugin):\n    return plugin.run(1)\n"
SDK = f"import runward_service.plugins\n{BAD}"
SETTINGS = '[tool.runward_scanner]\nroots = ["service/runward_service"]\n'


def project(folder: Path, package: str = "service/runward_service") -> Path:
    """A project with a violation in its governed root, which lies somewhere; that place."""
    (folder / package).mkdir(parents=True)
    (folder / package / "case.py").write_text(BAD)
    (folder / "pyproject.toml").write_text(SETTINGS)
    return folder / package


def found(report: Report) -> list[tuple[str, str]]:
    """Rule and file's name of each finding."""
    return [(finding.code, Path(finding.place.path).name) for finding in report.findings]


def test_a_link_before_the_root_hides_nothing(tmp_path: Path) -> None:
    """A file is found where it lies, also where a link leads to it by a name that comes first."""
    project(tmp_path)
    (tmp_path / "a").symlink_to("service")
    (finding,) = scan(tmp_path).findings
    assert finding.place.path == str(tmp_path / "service" / "runward_service" / "case.py")


@pytest.mark.parametrize("scanned", [".", "service", "service/runward_service"])
def test_a_root_that_is_a_link_is_governed(tmp_path: Path, scanned: str) -> None:
    """A governed root may lie elsewhere and be linked to."""
    place = project(tmp_path, "elsewhere/real")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "runward_service").symlink_to(place)
    assert found(scan(tmp_path / scanned)) == [("RWD001", "case.py")]


def test_links_in_circles_end(tmp_path: Path) -> None:
    """A link to itself is no folder; one to a folder around the scanned one leads nowhere new."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "outside.py").write_text(SDK)
    (inner / "case.py").write_text(SDK)
    (inner / "loop").symlink_to("loop")
    (inner / "up").symlink_to("..")
    (inner / "here").symlink_to(".")
    (inner / "loop.py").symlink_to("loop.py")
    report = scan(inner)
    assert found(report) == [("RWD001", "case.py"), ("RWD000", "loop.py")]
    assert report.files == 2


def test_what_is_no_regular_file_is_a_violation(tmp_path: Path) -> None:
    """A pipe and a device that are named as Python files are not read, which would not end."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    assert found(scan(tmp_path)) == [("RWD000", "pipe.py"), ("RWD000", "zero.py")]


def test_a_file_larger_than_code_is_a_violation(tmp_path: Path) -> None:
    """A file of a size that nobody writes is not read."""
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(1 << 40)
    assert found(scan(tmp_path)) == [("RWD000", "large.py")]


def test_a_folder_that_cannot_be_listed_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in such a folder is not known; where the settings leave the folder out, that is no matter."""
    project(tmp_path)
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.py").write_text("x = 1\n")
    listed = os.scandir

    def closed(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder.endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(folder)

    monkeypatch.setattr("os.scandir", closed)
    assert found(scan(tmp_path)) == [("RWD000", "closed"), ("RWD001", "case.py")]
    (tmp_path / "pyproject.toml").write_text(f'{SETTINGS}exclude = ["closed"]\n')
    assert found(scan(tmp_path)) == [("RWD001", "case.py")]


def test_a_virtual_environment_is_more_than_a_file(tmp_path: Path) -> None:
    """Its file alone hides nothing, nor does one around the governed root; any other with programs is passed over."""
    project(tmp_path)
    (tmp_path / "service" / "pyvenv.cfg").touch()
    for name in ("tools", "venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").touch()
        (tmp_path / name / f"{name}.py").write_text(SDK)
    (tmp_path / "venv" / "bin").mkdir()
    assert found(scan(tmp_path)) == [("RWD001", "case.py"), ("RWD001", "tools.py")]
    (tmp_path / "service" / "bin").mkdir()
    assert found(scan(tmp_path)) == [("RWD001", "case.py"), ("RWD001", "tools.py")]


@pytest.mark.parametrize(
    "text",
    [
        "tool = 1",
        "[tool]\nrunward_scanner = 1",
        "[tool.runward_scanner]\nroots = ['absent']",
        "[tool.runward_scanner]\nlayers = []",
        "[[tool.runward_scanner.layers]]\nname = 'api'\nmodules = 'api'",
        "[[tool.runward_scanner.layers]]\nname = 'api'\nmodules = []",
        "[[tool.runward_scanner.layers]]\nname = 'api'\nmodules = [1]",
        "[[tool.runward_scanner.layers]]\nname = 1\nmodules = ['api']",
        "[[tool.runward_scanner.layers]]\nname = 'api'\nmodules = ['api']\nmay_import = 'api'",
        "[[tool.runward_scanner.layers]]\nname = 'api'\nmodules = ['api']\nmay_imports = ['api']",
    ],
)
def test_settings_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    """Settings that would be taken for others, or would leave code ungoverned, are an error."""
    (tmp_path / "case.py").write_text(SDK)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError):
        scan(tmp_path)


@pytest.mark.parametrize("section", ["exclude = ['other']", "api = ['routes']"])
def test_settings_without_roots_leave_them_to_the_layout(tmp_path: Path, section: str) -> None:
    """A section that names no roots has what the layout shows governed, as no section has."""
    package = tmp_path / "lib" / "runward_service"
    package.mkdir(parents=True)
    (package / "case.py").write_text(BAD)
    (tmp_path / "pyproject.toml").write_text(f"[tool.runward_scanner]\n{section}\n")
    assert found(scan(tmp_path)) == [("RWD001", "case.py")]
