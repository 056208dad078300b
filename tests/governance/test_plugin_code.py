"""The code digest: any program can compute it, and whatever a plugin's answers follow from changes it."""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
import re
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.digests import canonical_json, json_digest
from runward_service.plugins.builtin.barcode import Barcode
from runward_service.plugins.loader import PluginUnusable, describe, load_plugin_class
from runward_service.runtime.plugin_code import PluginCode, installed_versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
from runward_service.plugins import Plugin

class Tool(Plugin):
    name, version, description = "tool", "1.0", "A tool."
    mime_types = ("image/png",)
    options_schema = {}
    model_files = ("weights.bin",)
    requires = {"numpy": "numpy"}

    def run(self, payload, context):
        return {}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that holds one plugin's distribution."""
    package = tmp_path / "toolbox" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "toolbox" / "__init__.py").touch()
    (tmp_path / "toolbox" / "table.json").write_text("{}")
    (package / "__init__.py").touch()
    (package / "tool.py").write_text(SOURCE)
    (package / "weights.bin").write_bytes(b"weights")
    (tmp_path / "shared.py").write_text("")
    info = tmp_path / "toolbox-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toolbox\nVersion: 3.1\nRequires-Dist: rfc8785>=0.1\n")
    (info / "RECORD").write_text("toolbox/__init__.py,,\ntoolbox/inner/tool.py,,\nshared.py,,\n../bin/tool,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "toolbox"]:
        del sys.modules[name]


def digest_of(site: Path) -> str:
    """The code digest of the plugin as a new worker would tell it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "toolbox"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return describe(load_plugin_class("toolbox.inner.tool:Tool")).code_digest


def sha256(data: bytes) -> str:
    """A digest as it is written."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def independently(site: Path) -> dict[str, Any]:
    """The document, made with nothing of Runward's."""
    paths = ["toolbox/__init__.py", "toolbox/table.json", "toolbox/inner/__init__.py", "toolbox/inner/tool.py"]
    paths += ["toolbox/inner/weights.bin", "shared.py"]
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - as any program would
        cpu = dict(re.findall(r"^(.*?)\s*:\s*(.*?)\s*$", file.read().split("\n\n")[0], re.MULTILINE))
    arm = [cpu[name] for name in ("CPU implementer", "CPU architecture", "CPU part") if name in cpu]
    features = sorted(set((cpu.get("flags") or cpu.get("Features") or "").split()))
    return {
        "schema": "runward.code/1",
        "target": "toolbox.inner.tool:Tool",
        "version": "1.0",
        "distribution": {"name": "toolbox", "version": "3.1"},
        "files": {path: sha256((site / path).read_bytes()) for path in paths},
        "models": {"weights.bin": sha256(b"weights")},
        "dependencies": {name: version(name) for name in ("numpy", "rfc8785")},
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cpu": {
            "machine": platform.machine(),
            "model": cpu.get("model name") or " ".join(arm),
            "features": sha256(" ".join(features).encode()),
        },
        "threads": 3,
    }


def test_another_program_computes_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the description in docs/receipts.md alone, with nothing but a JSON encoder and SHA-256."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    text = json.dumps(independently(site), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest_of(site) == sha256(text.encode())


def test_what_changes_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code, data, a model, a recorded file elsewhere, a release, the number of threads; and nothing else."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = {digest_of(site)}
    changes = {
        "toolbox/inner/tool.py": SOURCE + "\n# a comment\n",
        "toolbox/table.json": "[]",
        "toolbox/inner/weights.bin": "others",
        "toolbox/inner/more.py": "",
        "shared.py": "x = 1",
    }
    for path, text in changes.items():
        (site / path).write_text(text)
        digest = digest_of(site)
        assert digest not in seen, path
        seen.add(digest)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    last = digest_of(site)
    assert last not in seen
    (site / "toolbox" / "__pycache__").mkdir(exist_ok=True)
    (site / "toolbox" / "__pycache__" / "table.cpython-311.pyc").write_bytes(b"compiled")
    (site / "toolbox-3.1.dist-info" / "INSTALLER").write_text("pip")
    assert digest_of(site) == last


def test_a_model_that_is_not_there(site: Path) -> None:
    """The plugin is unusable and says which file it lacks."""
    (site / "toolbox" / "inner" / "weights.bin").unlink()
    with pytest.raises(PluginUnusable, match=r"the model file weights\.bin is not there"):
        digest_of(site)


def test_code_without_a_file_has_none() -> None:
    """Nothing can be said of it, so nothing is."""
    for module in ("sys", "not.loaded"):
        assert PluginCode(f"{module}:X", module, "1").digest() == ""


def test_a_built_in_plugin() -> None:
    """Its files are Runward's, its dependencies those that it names and what they depend on."""
    document = PluginCode("x:Barcode", Barcode.__module__, "1", (), tuple(Barcode.requires.values())).document()
    assert document["distribution"]["name"] == "runward"
    assert "runward_service/plugins/builtin/barcode.py" in document["files"]
    assert document["dependencies"]["zxing-cpp"] == version("zxing-cpp")
    assert {"numpy", "pillow", "protobuf"} <= document["dependencies"].keys()
    assert "pytest" not in document["dependencies"]


def test_extras_are_followed_where_they_are_asked_for() -> None:
    """What an extra needs counts for who asks for that extra."""
    assert "zxing-cpp" not in installed_versions(["runward"])
    assert {"zxing-cpp", "aiosqlite"} <= installed_versions(["Runward[plugins] >= 0"]).keys()
    assert installed_versions(["not-there-at-all"]) == {}


CANONICAL = [
    ({}, b"{}"),
    ({"b": 1, "a": True}, b'{"a":true,"b":1}'),
    ({"t": 'é\u2028"\\\n\x01\x7f'}, '{"t":"é\u2028\\"\\\\\\n\\u0001\x7f"}'.encode()),
    ({"n": None, "f": 1.0}, b'{"f":1,"n":null}'),
    ({"f": 1e21, "g": 1e-7}, b'{"f":1e+21,"g":1e-7}'),
    ({"big": 2**53}, b'{"big":9007199254740992}'),
    ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
    ({"d": {"y": [1, 2.5], "x": []}}, b'{"d":{"x":[],"y":[1,2.5]}}'),
    ([1, "x"], b'[1,"x"]'),
]


@pytest.mark.parametrize(("value", "text"), CANONICAL)
def test_the_canonical_form(value: Any, text: bytes) -> None:
    """RFC 8785: members in the order of their UTF-16 names, numbers as in ECMAScript, nothing escaped without need."""
    assert canonical_json(value) == text
    assert json_digest(value) == sha256(text)
