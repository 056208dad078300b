"""The cache: a warm scan gives what a cold one gives, whatever changed."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runward_scanner.inference.engine import Engine
from runward_scanner.scan import scan

from .scanner_cases import BASE

if TYPE_CHECKING:
    from runward_scanner.inference.model import ModuleInfo
    from runward_scanner.scan import Report

SERVICE = Path(__file__).parents[2] / "service"
HELPER = "runward_service/domain/help.py"
USER = "tools/case.py"


def tree(folder: Path) -> None:
    """The clean tree with a helper that calls what it is given, and a user that gives it a number."""
    BASE.write(folder)
    (folder / "tools").mkdir()
    (folder / HELPER).write_text("def call(x):\n    return x.run(1)\n", encoding="utf-8")
    (folder / USER).write_text("from runward_service.domain.help import call\ncall(1)\n", encoding="utf-8")


def test_warm_equals_cold(tmp_path: Path) -> None:
    """A second scan of the same files gives the same report, and writes nothing new."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / USER).write_text("from runward_service.plugins import Plugin\nPlugin.run(1)\n", encoding="utf-8")
    cold = scan(code, cache=cache)
    before = [file.stat().st_mtime_ns for file in cache.iterdir()]
    warm = scan(code, cache=cache)
    assert cold.findings
    assert warm == cold
    assert [file.stat().st_mtime_ns for file in cache.iterdir()] == before


def test_a_change_elsewhere_is_seen(tmp_path: Path) -> None:
    """A finding in an unchanged file that another file's change brings about appears in a warm scan."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    assert scan(code, cache=cache).findings == ()
    text = "from runward_service.domain.help import call\nfrom runward_service.plugins.builtin.b import B\ncall(B())\n"
    (code / USER).write_text(text, encoding="utf-8")
    warm = scan(code, cache=cache)
    assert [(finding.code, finding.place.line) for finding in warm.findings] == [("RWD001", 2)]
    assert warm == scan(code)


def test_a_damaged_cache_is_ignored(tmp_path: Path) -> None:
    """A cache file that does not read costs time, nothing else."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    first = scan(code, cache=cache)
    for file in cache.iterdir():
        file.write_text("{", encoding="utf-8")
    assert scan(code, cache=cache) == first


def test_a_cache_with_one_other_byte_is_ignored(tmp_path: Path) -> None:
    """A report that is not as it was written is no report, though it reads."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / USER).write_text("from runward_service.plugins import Plugin\nPlugin.run(1)\n", encoding="utf-8")
    cold = scan(code, cache=cache)
    for file in cache.iterdir():
        before = file.read_bytes()
        assert b"RWD001" in before or b"Plugin.run" in before
        file.write_bytes(before.replace(b"RWD001", b"RWD003").replace(b"Plugin.run", b"Plugin.ran"))
    assert scan(code, cache=cache) == cold


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[" * 100_000, json.dumps({"base": 1}).encode()])
def test_what_another_wrote_is_ignored(tmp_path: Path, data: bytes) -> None:
    """Whatever stands in the cache's files, it ends in a scan."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    first = scan(code, cache=cache)
    for file in cache.iterdir():
        file.write_bytes(data)
    assert scan(code, cache=cache) == first


def test_another_python_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one release of Python parses, another may not: a report is of the one that made it."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    scan(code, cache=cache)
    read = counting(monkeypatch)
    scan(code, cache=cache)
    assert read == []
    monkeypatch.setattr(sys, "version", f"{sys.version} of another day")
    scan(code, cache=cache)
    assert len(read) == 1


def test_scans_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan writes to a file of its own before it takes a report's place, and leaves none where it cannot."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    written: list[str] = []
    replace = Path.replace

    def noted(file: Path, target: Path) -> Path:
        written.append(file.name)
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", noted)
    for process in (1, 2):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        scan(code, cache=cache)
        (code / USER).write_text(f"x = {process}\n", encoding="utf-8")
    assert len(set(written)) == len(written) == 4
    assert not list(cache.glob("*.partial"))


OUTSIDE = "vendorless/other.py"
EDITS = (
    "\nfrom runward_service.plugins import Plugin\nPlugin.run(1)\n",
    "\ndef harmless():\n    return 1\n",
    "\nimport runward_service.runtime.tool_runner\n",
    "\ndef (:\n",
    "\n# runward: ignore\n",
)


def test_warm_equals_cold_after_any_edit(tmp_path: Path) -> None:
    """Whichever file is edited, and however, a warm scan finds what a cold one does."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / "vendorless").mkdir()
    (code / OUTSIDE).write_text("x = 1\n", encoding="utf-8")
    chance = random.Random(7)
    for file in sorted(code.rglob("*.py")):
        before = file.read_text(encoding="utf-8")
        for edit in chance.sample(EDITS, 3):
            file.write_text(before + edit, encoding="utf-8")
            assert scan(code, cache=cache) == scan(code), (file, edit)
        file.write_text(before, encoding="utf-8")
        assert scan(code, cache=cache).findings == ()


def test_a_change_that_nothing_reads_keeps_the_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not governed, and that governed code does not use, is looked at by itself."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    (code / "vendorless").mkdir()
    (code / OUTSIDE).write_text("x = 1\n", encoding="utf-8")
    cold = scan(code, cache=cache)
    monkeypatch.setattr("runward_scanner.reading.Engine", None)
    (code / OUTSIDE).write_text("x = 2\n", encoding="utf-8")
    assert scan(code, cache=cache) == cold
    (code / OUTSIDE).write_text("x = (\n", encoding="utf-8")
    assert [finding.code for finding in scan(code, cache=cache).findings] == ["RWD000"]


PLUGIN = """from runward_service.plugins import Plugin
class {name}(Plugin):
    def run(self, payload, context):
        return {{}}
"""


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many modules each reading takes, in the list that is given."""
    read: list[int] = []

    class Counting(Engine):
        def read(self, modules: list[ModuleInfo]) -> None:
            read.append(len(modules))
            super().read(modules)

    monkeypatch.setattr("runward_scanner.reading.Engine", Counting)
    return read


def test_a_change_in_one_plugin_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that have nothing to do with one another are read apart, and only what changed is read again."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    code.mkdir()
    for name in ("One", "Two", "Three"):
        (code / f"{name.lower()}.py").write_text(PLUGIN.format(name=name), encoding="utf-8")
    read = counting(monkeypatch)
    assert scan(code, cache=cache).findings == ()
    (code / "two.py").write_text(PLUGIN.format(name="Two") + "Two().run(1, 2)\n", encoding="utf-8")
    assert [finding.code for finding in scan(code, cache=cache).findings] == ["RWD001"]
    (code / "three.py").write_text(PLUGIN.format(name="Three") + "import two\n", encoding="utf-8")
    assert [finding.place.path for finding in scan(code, cache=cache).findings] == [str(code / "two.py")]
    assert read == [1, 1, 1, 1, 2]


def test_what_one_sets_on_something_unknown_reaches_the_other(tmp_path: Path) -> None:
    """Files that share but the name of an attribute are read together where one sets it and the other asks for it."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    code.mkdir()
    user = "import runward_service.plugins\ndef go(place):\n    place.kept.run(1)\n"
    (code / "user.py").write_text(user, encoding="utf-8")
    (code / "other.py").write_text(PLUGIN.format(name="Other"), encoding="utf-8")
    assert scan(code, cache=cache).findings == ()
    setter = PLUGIN.format(name="Other") + "def put(place):\n    place.kept = Other()\n"
    (code / "other.py").write_text(setter, encoding="utf-8")
    warm = scan(code, cache=cache)
    assert [(finding.code, finding.place.path) for finding in warm.findings] == [("RWD001", str(code / "user.py"))]
    assert warm == scan(code)


def test_a_comment_changes_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A governed file in which comments alone changed is not read again, unless one asks the scanner to look away."""
    code, cache = tmp_path / "code", tmp_path / "cache"
    tree(code)
    cold = scan(code, cache=cache)
    helper = (code / HELPER).read_text(encoding="utf-8")
    read = counting(monkeypatch)
    (code / HELPER).write_text(f"# A helper → it calls.\n\n{helper}", encoding="utf-8")
    assert scan(code, cache=cache) == cold
    assert read == []
    (code / HELPER).write_text(f"# noqa: RWD001\n{helper}", encoding="utf-8")
    assert [finding.code for finding in scan(code, cache=cache).findings] == ["RWD000"]


SNIPPETS = (
    "\n# A remark.\n",
    "\ndef call(x):\n    return x.run(1)\n",
    "\nfrom help import call\nfrom runward_service.plugins import Plugin\ncall(Plugin())\n",
    "\nfrom runward_service.domain.help import call\nfrom runward_service.plugins import Plugin\ncall(Plugin)\n",
    "\ndef keep(place, plugin):\n    place.kept = plugin\n",
    "\ndef use(place):\n    return place.kept.run\n",
    "\nimport importlib\ndef load():\n    return importlib.import_module('help').call(1)\n",
    "\nclass ToolRunner:\n    pass\n",
    "\nfrom runward_service.runtime.tool_runner import ToolRunner\nToolRunner.run = None\n",
    "\ndef (:\n",
    "\n# rwd: ignore\n",
    "\nstate = 'SUCCESS'\n",
)


def edited(chance: random.Random, code: Path) -> str:
    """Edit, add, remove or rename one file of a tree; what was done, in words."""
    files = sorted(code.rglob("*.py"))
    file = chance.choice(files)
    what = chance.choice(("append", "append", "append", "prepend", "shorten", "add", "remove", "rename"))
    text = file.read_text(encoding="utf-8")
    if what == "append":
        file.write_text(text + chance.choice(SNIPPETS), encoding="utf-8")
    elif what == "prepend":
        file.write_text("# One line more.\n" + text, encoding="utf-8")
    elif what == "shorten":
        file.write_text("\n".join(text.split("\n")[: chance.randrange(40)]) + "\n", encoding="utf-8")
    elif what == "add":
        new = file.parent / f"{chance.choice(('help', 'more', 'tool_runner'))}.py"
        new.write_text(PLUGIN.format(name="New") + chance.choice(SNIPPETS), encoding="utf-8")
    elif what == "rename":
        file.rename(file.parent / f"{chance.choice(('help', 'moved', 'bootstrap'))}.py")
    elif len(files) > 1:
        file.unlink()
    return f"{what} {file}"


def check_edits(code: Path, cache: Path, chance: random.Random, count: int) -> None:
    """Edit a tree so many times, each time over what it is, and compare a warm scan with a cold one."""
    done = []
    for _ in range(count):
        done.append(edited(chance, code))
        warm, cold = scan(code, cache=cache), scan(code)
        assert summary(warm) == summary(cold), done
        assert scan(code, cache=cache) == warm, done


def summary(report: Report) -> list[tuple[str, int, str, str]]:
    """What a report says, but for the proofs: of several that lead to one finding, any may be given."""
    return [(item.place.path, item.place.line, item.code, item.message) for item in report.findings]


@pytest.mark.parametrize("seed", range(6))
def test_warm_equals_cold_in_a_governed_tree(tmp_path: Path, seed: int) -> None:
    """Whatever is edited, added, removed or renamed in a small service, a warm scan finds what a cold one does."""
    code = tmp_path / "code"
    tree(code)
    check_edits(code, tmp_path / "cache", random.Random(seed), 20)


@pytest.mark.parametrize("seed", range(6))
def test_warm_equals_cold_among_plugins(tmp_path: Path, seed: int) -> None:
    """The same where the service is not in sight, and files are read apart."""
    code = tmp_path / "code"
    (code / "inner").mkdir(parents=True)
    for name in ("a", "b", "help", "inner/__init__", "inner/c", "inner/d"):
        (code / f"{name}.py").write_text(PLUGIN.format(name="Some"), encoding="utf-8")
    check_edits(code, tmp_path / "cache", random.Random(seed), 30)


def test_warm_equals_cold_in_the_service(tmp_path: Path) -> None:
    """The same in a copy of the project's own service."""
    code = tmp_path / "service"
    shutil.copytree(SERVICE, code, ignore=shutil.ignore_patterns("__pycache__"))
    scan(code, cache=tmp_path / "cache")
    check_edits(code, tmp_path / "cache", random.Random(3), 6)
