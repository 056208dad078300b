"""Runward installed as its users install it, from a wheel or editable, in an environment of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("clients", "service", "scanner", "pyproject.toml", "README.md")
OFFLINE = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")


async def run(*command: str | Path, **variables: str) -> str:
    """Run a program with further environment variables; its output. Raises RuntimeError when the program fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **variables},
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(output.decode())
    return output.decode()


class InstalledServer:
    """A virtual environment that has Runward, and shares the libraries of this one."""

    def __init__(self, folder: Path) -> None:
        """Name a folder for the environment, which install makes."""
        self.python = folder / "bin" / "python"
        self.packages = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        self._folder = folder

    async def install(self, *what: str | Path) -> InstalledServer:
        """Make the environment and install into it, without a network."""
        await run(sys.executable, "-m", "venv", "--without-pip", self._folder)
        # A path alone: what the editable install of this environment adds to it does not come along.
        (self.packages / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        await run(sys.executable, "-m", "pip", "--python", self.python, "install", *OFFLINE, *what)
        return self

    @contextmanager
    def changed(self, path: str, old: bytes, new: bytes) -> Iterator[None]:
        """Change a file of the installation for a while."""
        file = self.packages / path
        before = file.read_bytes()
        assert before.count(old) >= 1
        file.write_bytes(before.replace(old, new, 1))
        try:
            yield
        finally:
            file.write_bytes(before)


async def build_wheel(folder: Path) -> Path:
    """Build the wheel of this tree."""
    await run(sys.executable, "-m", "pip", "wheel", *OFFLINE, "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def copy_tree(folder: Path) -> Path:
    """A copy of what this tree's distribution is made of."""
    folder.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder
