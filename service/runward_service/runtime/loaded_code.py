"""Which files this process has loaded its modules from. In the service and in workers alike."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def file_digest(path: Path) -> str:
    """The digest of a file's bytes, "sha256:<hex>". Raises OSError."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def loaded_origins(packages: Collection[str]) -> Iterator[tuple[str, str]]:
    """The name of each module of some packages that this process has loaded, with the path of its source; the path is
    empty where the module came from none.
    """
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name == "__main__" and spec is not None:
            name = spec.name  # noqa: PLW2901 - the program itself, by its own name
        if name.partition(".")[0] in packages:
            yield name, (spec.origin if spec is not None and spec.has_location else None) or ""


def loaded_digests(packages: Collection[str]) -> dict[str, str]:
    """The digest of each file that this process has loaded of some packages, by its path.

    It is empty for a module without a file, which stands by its name, and for one whose file is gone.
    """
    found = {}
    for name, origin in loaded_origins(packages):
        try:
            found[origin or name] = file_digest(Path(origin)) if origin else ""
        except OSError:
            found[origin] = ""
    return found
