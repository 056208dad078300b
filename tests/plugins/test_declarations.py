"""What the built-in plugins declare, and that docs/plugins.md says the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from runward_service.plugins.builtin.barcode import Barcode
from runward_service.plugins.builtin.image_info import ImageInfo
from runward_service.plugins.builtin.ocr import Ocr
from runward_service.plugins.builtin.options import completed
from runward_service.plugins.loader import absent_requirements, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runward_service.plugins.base import Plugin
    from tests.plugins.conftest import Pictures, Run

PLUGINS: tuple[type[Plugin], ...] = (ImageInfo, Barcode, Ocr)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
LIBRARIES = {"PIL", "cv2", "imagehash", "numpy", "onnxruntime", "rapidocr", "scipy", "zxingcpp"}
TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def section(plugin: str, heading: str) -> str:
    """Return what docs/plugins.md says under a plugin's heading."""
    chapter = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    (mine,) = (text for text in chapter if text.startswith(f"`{plugin}`"))
    (part,) = (text for text in re.split(r"^### ", mine, flags=re.MULTILINE) if text.startswith(heading))
    return part


def table(text: str) -> list[tuple[str, ...]]:
    """Return the cells of a Markdown table's rows."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows]


def allowed(described: Mapping[str, Any]) -> str:
    """Say in the document's words what an option's schema allows."""
    if "enum" in described:
        return ", ".join(f"`{value}`" for value in described["enum"])
    if "items" in described:
        return f"one or more of {allowed(described['items'])}"
    return f"{described['minimum']} to {described['maximum']}" if "minimum" in described else "any"


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Walk through an output: each field's path, [] for the items of an array, and its value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{path}.{name}".lstrip("."), item
            yield from fields(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, f"{path}[]")


def documented_fields(plugin: str) -> dict[str, list[str]]:
    """Return the documented types of each documented field."""
    return {row[0].strip("`"): row[1].split(" or ") for row in table(section(plugin, "Output"))}


def check_fields(plugin: str, output: dict[str, Any]) -> None:
    """Compare an output that holds every field with the document: names and types."""
    documented = documented_fields(plugin)
    found = list(fields(output))
    assert {path for path, _ in found} == set(documented)
    for path, value in found:
        kinds = [kind for name in documented[path] for kind in TYPES[name]]
        assert type(value) in kinds, f"{path} is {type(value).__name__}, documented as {documented[path]}"


@pytest.fixture
def rich_outputs(
    run_plugin: Run, image_info: ImageInfo, barcode: Barcode, ocr: Ocr, pictures: Pictures
) -> dict[str, dict[str, Any]]:
    """Run each plugin so that every field of its output is there."""
    exif = Image.Exif()
    exif[0x010F] = "Nikon"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, IFDRational(12)), 3: "E", 4: (13.0, 24.0, 18.0)})
    photograph = pictures.encoded(pictures.photograph("rocket.jpg"), "JPEG", exif=exif)
    return {
        "image_info": run_plugin(image_info, photograph, "JPEG"),
        "barcode": run_plugin(barcode, pictures.code(b"\0\1", "QRCode")),
        "ocr": run_plugin(ocr, pictures.text((400, 120), (30, 30, "Runward 7", 48)), words=True),
    }


def test_importing_the_plugins_is_cheap() -> None:
    """A worker describes its plugin before any library is loaded."""
    code = (
        "import sys, runward_service.plugins.builtin.image_info, runward_service.plugins.builtin.barcode, "
        "runward_service.plugins.builtin.ocr; print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not LIBRARIES & {name.split(".")[0] for name in ended.stdout.split()}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_declarations_are_sound(plugin: type[Plugin]) -> None:
    """The loader accepts them, all that they require is installed, and the same input gives the same output."""
    description = describe(plugin)
    assert (description.version, description.cacheable) == ("1.0.0", True)
    assert absent_requirements(plugin) == ""
    assert plugin.install_hint == "pip install 'runward[plugins]'"
    assert plugin.requires


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_option_has_a_default_that_its_schema_allows(plugin: type[Plugin]) -> None:
    """An empty request is valid, means the defaults, and no unknown option is let through."""
    schema = dict(plugin.options_schema)
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert schema["additionalProperties"] is False
    assert all(described["description"] for described in schema["properties"].values())
    assert validator.is_valid({})
    assert validator.is_valid(completed(schema, {}))
    assert not validator.is_valid({"unknown": 1})


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_options_are_documented(plugin: type[Plugin]) -> None:
    """Name, type, default, allowed values and meaning are those of the schema, in its order."""
    expected = [
        (
            f"`{name}`",
            described.get("type", "string"),
            f"`{json.dumps(described['default'])}`",
            allowed(described),
            described["description"],
        )
        for name, described in plugin.options_schema["properties"].items()
    ]
    assert table(section(plugin.name, "Options")) == expected


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_limits_are_documented(plugin: type[Plugin]) -> None:
    """Time, memory and number of runs at once."""
    stated = (
        f"| `{plugin.name}` | {plugin.timeout:.0f} s | {plugin.memory_bytes // 1024**2} MiB | {plugin.concurrency} |"
    )
    assert stated in DOCUMENT


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_output_is_documented_field_by_field(plugin: type[Plugin], rich_outputs: dict[str, dict[str, Any]]) -> None:
    """The document names the fields of a real output, no more and no less, with their types."""
    check_fields(plugin.name, rich_outputs[plugin.name])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_example_outputs_are_whole(plugin: type[Plugin]) -> None:
    """The documented example has every field."""
    (example,) = re.findall(r"```json\n(.*?)```", section(plugin.name, "Example"), re.DOTALL)
    check_fields(plugin.name, json.loads(example))
