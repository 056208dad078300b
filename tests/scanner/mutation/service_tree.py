"""A copy of the service in a temporary folder, changed for one scan at a time."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from runward_scanner.scan import scan
from tests.scanner.mutation.service_source import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.scanner.mutation.service_source import ServiceSource


class ServiceTree:
    """The copy, under the project's own settings. Always the same paths, so that the scanner's cache serves."""

    def __init__(self, folder: Path, source: ServiceSource) -> None:
        """Write the unchanged service below an empty folder."""
        self._folder = folder
        self._source = source
        (folder / "pyproject.toml").write_text(source.settings, "utf-8")
        for path in source.files:
            self._write(path, source.files[path])

    def scan(self, files: Mapping[str, str]) -> dict[str, set[str]]:
        """Scan with some files changed or added: the rules that fired, by path below the package."""
        for path, text in files.items():
            self._write(path, text)
        gc.disable()  # a scan makes many objects and no garbage worth looking for
        try:
            report = scan(self._folder / "service", cache=self._folder / "cache")
        finally:
            gc.enable()
            for path in files:
                self._restore(path)
        package = f"{self._folder / PACKAGE}/"
        found: dict[str, set[str]] = {}
        for finding in report.findings:
            found.setdefault(finding.place.path.removeprefix(package), set()).add(finding.code)
        return found

    def rules(self, files: Mapping[str, str]) -> tuple[str, ...]:
        """The rules that fire anywhere with some files changed or added, in order."""
        return tuple(sorted(set().union(*self.scan(files).values())))

    def _write(self, path: str, text: str) -> None:
        target = self._folder / PACKAGE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def _restore(self, path: str) -> None:
        if path in self._source.files:
            self._write(path, self._source.files[path])
        else:
            (self._folder / PACKAGE / path).unlink()
