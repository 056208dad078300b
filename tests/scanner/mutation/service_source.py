"""The real service's source, as text; nothing here writes to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.scanner.mutation.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "service/runward_service"


@dataclass(frozen=True, slots=True)
class ServiceSource:
    """The text of every file of the service, by path below the package, and the project's settings."""

    files: Mapping[str, str]
    settings: str

    def draft(self, path: str) -> Draft:
        """A file to make changes to. Raises LostSiteError where there is none of that name."""
        return Draft.of(path, self.files)


def read_service() -> ServiceSource:
    """Read the service of this checkout."""
    package = ROOT / PACKAGE
    files = {file.relative_to(package).as_posix(): file.read_text("utf-8") for file in sorted(package.rglob("*.py"))}
    return ServiceSource(files, (ROOT / "pyproject.toml").read_text("utf-8"))
