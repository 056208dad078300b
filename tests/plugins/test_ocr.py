"""ocr on drawn labels and on real pictures."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageOps

from runward_service.plugins.base import InvalidInput, Payload, RunContext
from runward_service.plugins.builtin.reading_order import bounds
from runward_service.runtime.tool_runner import ToolRunner
from runward_service.runtime.worker_environment import worker_environment

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.plugins.builtin.ocr import Ocr
    from tests.plugins.conftest import Pictures, Run

LABEL = ["RUNWARD STORAGE", "Shelf 14-B, row 7", "Keep dry. Handle with care!", "Net weight: 12.50 kg"]
PAGE = [
    "Region-based segmentation",
    "Let us first determine markers of the coins and the",
    "background. These markers are pixels that we can label",
    "unambiguously as either object or background. Here,",
    "the markers are found at the two extreme parts of the",
    "histogram of grey values:",
]

WITHOUT_NETWORK = """
import json, socket, sys

def refuse(event, arguments):
    if event.startswith("socket.") and event not in {"socket.__new__", "socket.gethostname"}:
        raise RuntimeError(f"the network was used: {event}")

sys.addaudithook(refuse)
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except RuntimeError:
    pass
else:
    raise SystemExit("the guard does not work")

from runward_service.plugins.base import Payload, RunContext
from runward_service.plugins.builtin.ocr import Ocr
from runward_service.runtime.tool_runner import ToolRunner

plugin = Ocr()
plugin.setup()
image = open(sys.argv[1], "rb").read()
for options in ({}, {"words": True}):
    payload = Payload(image, "image/png", options)
    print(json.dumps(ToolRunner.run_plugin(plugin, payload, RunContext("job", 1, lambda fraction, message: None))))
"""


@pytest.fixture(scope="session")
def label(pictures: Pictures) -> Image.Image:
    """Draw a label of four lines."""
    heights = (48, 36, 30, 30)
    lines = [(50, 40 + 80 * row, text, height) for row, (text, height) in enumerate(zip(LABEL, heights, strict=True))]
    return pictures.text((900, 400), *lines)


@pytest.fixture(scope="session")
def label_output(ocr: Ocr, run_plugin: Run, label: Image.Image) -> dict[str, Any]:
    """Read the label, once."""
    return run_plugin(ocr, label)


def test_a_label_is_read(label_output: dict[str, Any]) -> None:
    """The text is joined in reading order, and each line has its place, confidence and number."""
    output = label_output
    assert output["text"].split("\n") == LABEL
    assert [line["text"] for line in output["lines"]] == LABEL
    assert [line["order"] for line in output["lines"]] == [line["row"] for line in output["lines"]] == [0, 1, 2, 3]
    assert (output["rotation"], output["width"], output["height"]) == (0, 900, 400)
    assert 0.9 < output["mean_confidence"] <= 1.0
    assert output["engine"]["name"] == "rapidocr"
    for row, line in enumerate(output["lines"]):
        box = bounds(line["box"])
        assert box.left == pytest.approx(50, abs=15)
        assert box.top <= 60 + 80 * row <= box.bottom


def test_a_real_page_is_read(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """A small, unevenly lit photograph of a printed page."""
    assert run_plugin(ocr, pictures.photograph("page.png"))["text"].split("\n")[:6] == PAGE


def test_a_name_on_a_motorcycle_is_read(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """Text somewhere in a photograph."""
    assert "YAMAHA" in run_plugin(ocr, pictures.photograph("motorcycle_left.png"))["text"]


@pytest.fixture(params=range(1, 9))
def camera_label(request: pytest.FixtureRequest, label: Image.Image, pictures: Pictures) -> bytes:
    """Write the label as a camera in each EXIF orientation would."""
    return pictures.camera_file(label, request.param, quality=95)


def test_exif_orientations_are_honoured(
    camera_label: bytes, ocr: Ocr, run_plugin: Run, label_output: dict[str, Any]
) -> None:
    """However the camera was held, text and boxes are those of the upright picture, up to JPEG noise."""
    upright = label_output
    output = run_plugin(ocr, camera_label, "JPEG")
    assert (output["text"], output["rotation"], output["width"]) == (upright["text"], 0, 900)
    for line, expected in zip(output["lines"], upright["lines"], strict=True):
        for corner, expected_corner in zip(line["box"], expected["box"], strict=True):
            assert corner == pytest.approx(expected_corner, abs=4)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_is_read(degrees: int, ocr: Ocr, run_plugin: Run, label: Image.Image) -> None:
    """Without EXIF data to say so, the text's own direction is found; boxes begin at the text's top left."""
    output = run_plugin(ocr, label.rotate(-degrees, expand=True))
    assert output["text"].split("\n") == LABEL
    assert output["rotation"] == degrees
    for line in output["lines"]:
        (left, top), (right, bottom) = line["box"][0], line["box"][1]
        assert math.degrees(math.atan2(bottom - top, right - left)) % 360 == pytest.approx(degrees, abs=3)


def test_a_turned_page_stays_turned_on_request(ocr: Ocr, run_plugin: Run, label: Image.Image) -> None:
    """Without detect_orientation, what is upside down is not turned."""
    output = run_plugin(ocr, label.rotate(180), detect_orientation=False)
    assert output["text"].split("\n") != LABEL
    assert output["rotation"] == 0


@pytest.mark.parametrize("degrees", [-12, -4, 7, 15])
def test_a_tilted_page_is_read_in_order(degrees: int, ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """Items and prices stay together though the far end of a row lies higher than the next row."""
    items = [("Whole wheat bread", "2.49"), ("Organic milk", "1.29"), ("Free range eggs", "3.99"), ("TOTAL", "7.77")]
    lines = [(40, 40 + 60 * row, item, 32) for row, (item, _) in enumerate(items)]
    lines += [(560, 40 + 60 * row, price, 32) for row, (_, price) in enumerate(items)]
    image = pictures.text((700, 300), *lines).rotate(degrees, expand=True, fillcolor="white")
    output = run_plugin(ocr, image)
    assert output["text"].split("\n") == [f"{item} {price}" for item, price in items]
    assert [line["row"] for line in output["lines"]] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_columns_are_read_one_after_the_other(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """A heading, two columns whose lines do not stand level, and a line across the page."""
    left = [
        "The quick brown fox jumps",
        "over the lazy dog while the",
        "old clock strikes eleven and",
        "the kettle whistles.",
    ]
    right = [
        "Meanwhile in another place",
        "nobody expects a visitor at",
        "this late hour of the night,",
        "yet somebody knocks.",
    ]
    heading, footer = "A heading across the whole page", "And a line that runs below both of the columns"
    lines = [(300, 20, heading, 40), (40, 400, footer, 32)]
    lines += [(40, 120 + 50 * row, text, 32) for row, text in enumerate(left)]
    lines += [(640, 133 + 50 * row, text, 32) for row, text in enumerate(right)]
    assert run_plugin(ocr, pictures.text((1200, 500), *lines))["text"].split("\n") == [heading, *left, *right, footer]


def test_words_are_told_on_request(ocr: Ocr, run_plugin: Run, label: Image.Image, label_output: dict[str, Any]) -> None:
    """Each word of a line has its box inside the line's, from left to right."""
    output = run_plugin(ocr, label, words=True)
    assert [[word["text"] for word in line["words"]] for line in output["lines"]] == [text.split() for text in LABEL]
    for line in output["lines"]:
        boxes = [bounds(word["box"]) for word in line["words"]]
        whole = bounds(line["box"])
        assert all(whole.left <= box.left < box.right <= whole.right for box in boxes)
        assert all(before.right <= after.left + 2 for before, after in pairwise(boxes))
        assert all(word["confidence"] > 0.8 for word in line["words"])
    assert "words" not in label_output["lines"][0]


def test_words_of_turned_text_lie_along_it(ocr: Ocr, run_plugin: Run, label: Image.Image) -> None:
    """On a page that is upside down, the first word lies rightmost."""
    first = run_plugin(ocr, label.rotate(180), words=True)["lines"][0]
    centres = [sum(x for x, _ in word["box"]) / 4 for word in first["words"]]
    assert centres == sorted(centres, reverse=True)


def test_unsure_lines_are_left_out(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """min_confidence decides what counts."""
    picture = pictures.photograph("motorcycle_left.png")
    every, sure = (run_plugin(ocr, picture, min_confidence=least)["lines"] for least in (0, 0.95))
    assert len(sure) < len(every)
    assert all(line["confidence"] >= 0.95 for line in sure)


@pytest.mark.parametrize("size", [(1600, 700), (4000, 3000)])
@pytest.mark.parametrize("height", [30, 60])
def test_a_lone_word_on_a_large_ground_is_found(
    size: tuple[int, int], height: int, ocr: Ocr, run_plugin: Run, pictures: Pictures
) -> None:
    """However little of the image it takes; its box is that of the whole picture."""
    place = (size[0] * 3 // 5, size[1] * 3 // 5)
    output = run_plugin(ocr, pictures.text(size, (*place, "small print 4711", height)))
    assert output["text"] == "small print 4711"
    box = bounds(output["lines"][0]["box"])
    assert (box.left, box.top) == pytest.approx(place, abs=height)


def test_dense_small_print_is_parted_on_request(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """max_side_length decides in how much detail text is looked for."""
    words = [
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "echo",
        "foxtrot",
        "golf",
        "hotel",
        "india",
        "juliet",
        "kilo",
        "lima",
    ]
    text = [f"{number} {' '.join(words[number % 5 :])}" for number in range(12)]
    page = pictures.text((1500, 420), *[(20, 20 + 32 * row, line, 22) for row, line in enumerate(text)])
    assert run_plugin(ocr, page, max_side_length=1500)["text"].split("\n") == text
    assert len(run_plugin(ocr, page, max_side_length=320)["lines"]) < len(text)


@pytest.mark.parametrize("name", ["coffee.png", "brick.png", "moon.png", "retina.jpg"])
def test_a_picture_without_legible_text_gives_none(name: str, ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """No lines, no text, no confidence: a result, not an error."""
    output = run_plugin(ocr, pictures.photograph(name))
    assert (output["text"], output["lines"], output["mean_confidence"], output["rotation"]) == ("", [], None, 0)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (3000, 1), (1, 9000)])
def test_images_of_any_shape_are_taken(size: tuple[int, int], ocr: Ocr, run_plugin: Run) -> None:
    """The smallest and the narrowest images hold no text."""
    assert run_plugin(ocr, Image.new("RGB", size, "white"))["text"] == ""


@pytest.mark.parametrize("turn", [None, Image.Transpose.ROTATE_90])
def test_a_narrow_strip_is_read(turn: Image.Transpose | None, ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """Text that fills its image to the edge, along or upwards."""
    text = "A strip of text 42, which goes on and on until it is very long indeed"
    strip = pictures.text((1200, 34), (4, 0, text, 30))
    assert run_plugin(ocr, strip if turn is None else strip.transpose(turn))["text"] == text


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA"])
def test_text_is_read_in_every_mode(mode: str, ocr: Ocr, run_plugin: Run, label: Image.Image) -> None:
    """Colour is not needed."""
    output = run_plugin(ocr, label.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    assert output["text"].split("\n") == LABEL


@pytest.mark.parametrize("ink", ["black", "white"])
def test_text_on_a_transparent_ground_is_read(ink: str, ocr: Ocr, run_plugin: Run, label: Image.Image) -> None:
    """Dark or light ink, the ground becomes what it stands out from."""
    image = Image.new("RGBA", label.size, ink)
    image.putalpha(ImageOps.invert(label.convert("L")))
    assert run_plugin(ocr, image)["text"].split("\n") == LABEL


def test_a_truncated_image_is_invalid_input(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """Half a file is refused, not read."""
    data = pictures.file("page.png")
    with pytest.raises(InvalidInput):
        run_plugin(ocr, data[: len(data) // 2])


def test_the_same_image_gives_the_same_output(ocr: Ocr, run_plugin: Run, pictures: Pictures) -> None:
    """The plugin says that it is cacheable: to the last digit, whatever was read in between."""
    assert ocr.cacheable
    first = run_plugin(ocr, pictures.photograph("page.png"), words=True)
    run_plugin(ocr, pictures.photograph("motorcycle_left.png"))
    assert json.dumps(run_plugin(ocr, pictures.photograph("page.png"), words=True)) == json.dumps(first)


def test_no_more_words_are_told_than_fit(
    ocr: Ocr, run_plugin: Run, label: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text and the lines stay whole where the words do not."""
    monkeypatch.setattr("runward_service.plugins.builtin.ocr.MOST_WORDS", 5)
    output = run_plugin(ocr, label, words=True)
    assert [len(line["words"]) for line in output["lines"]] == [2, 3, 0, 0]
    assert output["text"].split("\n") == LABEL


def test_progress_goes_forward(ocr: Ocr, label: Image.Image, pictures: Pictures) -> None:
    """Watchers see shares from 0 to 1 that never fall."""
    shares: list[float] = []
    context = RunContext("job", 1, lambda fraction, message: shares.append(fraction))
    ToolRunner.run_plugin(ocr, Payload(pictures.encoded(label), "image/png"), context)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_nothing_is_fetched_and_nothing_printed(label: Image.Image, tmp_path: Path) -> None:
    """In a process in which every use of the network raises, with the environment of workers, the models load and read,
    only the test prints, and no library leaves a file at home that tells who and where it is.
    """
    file = tmp_path / "label.png"
    label.save(file)
    home = tmp_path / "home"
    home.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**worker_environment(), "HOME": str(home)},
    )
    assert list(home.iterdir()) == []
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [json.loads(line)["text"].split("\n") for line in ended.stdout.splitlines()] == [LABEL, LABEL]


def test_an_annotated_picture(ocr: Ocr, pictures: Pictures) -> None:
    """The lines are drawn into a copy of the upright picture, where asked for; the same bytes again."""
    image = pictures.text((700, 200), (30, 40, "RUNWARD STORAGE", 40))
    given: list[tuple[str, bytes, str]] = []
    for annotate in (False, True, True):
        context = RunContext("job", 1, lambda fraction, message: None, lambda *artifact: given.append(artifact))
        payload = Payload(pictures.encoded(image), "image/png", {"annotate": annotate})
        assert ToolRunner.run_plugin(ocr, payload, context)["text"] == "RUNWARD STORAGE"
    assert given[0] == given[1]
    assert given[0][::2] == ("annotated.jpg", "image/jpeg")
    drawn = Image.open(io.BytesIO(given[0][1])).convert("RGB")
    assert drawn.size == image.size
    assert ImageChops.difference(drawn, image).getbbox() is not None
    assert len(given) == 2
