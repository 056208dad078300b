"""barcode on codes of every kind, however they lie."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
import segno
import zxingcpp
from PIL import Image, ImageFilter, ImageOps

from runward_service.plugins.base import InvalidInput, Payload, RunContext
from runward_service.plugins.builtin.barcode import FORMAT_GROUPS, FORMATS, Barcode
from runward_service.runtime.tool_runner import ToolRunner

if TYPE_CHECKING:
    from tests.plugins.conftest import Pictures, Run

DRAWN = [
    ("Aztec", "AB-12", "AB-12"),
    ("Codabar", "A1234A", "A1234A"),
    ("Code128", "Runward 128", "Runward 128"),
    ("Code39", "RUNWARD", "RUNWARD"),
    ("Code93", "RUNWARD", "RUNWARD"),
    ("DataBarExp", "(01)12345678901231", "(01)12345678901231"),
    ("DataBarLtd", "1234567890128", "(01)12345678901286"),
    ("DataMatrix", "matrix", "matrix"),
    ("EAN13", "4006381333931", "4006381333931"),
    ("EAN8", "96385074", "96385074"),
    ("ITF", "12345670", "12345670"),
    ("MaxiCode", "maxi", "maxi"),
    ("MicroPDF417", "small", "small"),
    ("MicroQRCode", "12345", "12345"),
    ("PDF417", "portable data file", "portable data file"),
    ("QRCode", "https://example.org/", "https://example.org/"),
    ("RMQRCode", "12345", "12345"),
    ("UPCE", "01234565", "0012345000065"),
]


@pytest.mark.parametrize("drawn", DRAWN, ids=[drawn[0] for drawn in DRAWN])
def test_every_kind_of_code_is_read(
    drawn: tuple[str, str, str], barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """A code of each kind gives its text, format and a position inside the image."""
    code_format, content, text = drawn
    image = pictures.code(content, code_format)
    output = run_plugin(barcode, image)
    (code,) = output["codes"]
    assert (code["text"], code["format"], code["valid"], code["error"]) == (text, code_format, True, None)
    assert (output["count"], output["width"], output["height"]) == (1, image.width, image.height)
    assert all(0 <= x < image.width and 0 <= y < image.height for x, y in code["position"])


def test_a_qr_code_of_another_library_is_read_whole(barcode: Barcode, run_plugin: Run) -> None:
    """Error correction level, version, identifier, type and corners are told."""
    file = io.BytesIO()
    segno.make("https://example.org/straße", error="h", version=4, boost_error=False).save(file, kind="png", scale=5)
    (code,) = run_plugin(barcode, file.getvalue())["codes"]
    assert code == {
        "text": "https://example.org/straße",
        "format": "QRCode",
        "symbology": "QRCode",
        "content_type": "Text",
        "bytes_base64": None,
        "position": [[20, 20], [185, 20], [185, 185], [20, 185]],
        "orientation": 0,
        "ec_level": "H",
        "version": "4",
        "symbology_identifier": "]Q1",
        "valid": True,
        "error": None,
    }


@pytest.mark.parametrize("content", [bytes(range(256)), b"\xff\xfe\x00\x80\xed\xa0\x80", b"\x00"])
def test_what_is_no_text_comes_as_base64(content: bytes, barcode: Barcode, run_plugin: Run, pictures: Pictures) -> None:
    """Binary content arrives byte for byte, and its text stays fit for JSON."""
    (code,) = run_plugin(barcode, pictures.code(content, "QRCode"))["codes"]
    assert code["content_type"] == "Binary"
    assert base64.b64decode(code["bytes_base64"]) == content


@pytest.fixture
def sheet(pictures: Pictures) -> Image.Image:
    """Draw two rows of codes, none quite at its row's height."""
    image = Image.new("RGB", (1300, 800), "white")
    codes = [("first", "QRCode", 40, 60), ("4006381333931", "EAN13", 330, 30), ("third", "DataMatrix", 950, 70)]
    codes += [("fourth", "Aztec", 60, 440), ("fifth", "PDF417", 400, 420)]
    for content, code_format, x, y in codes:
        image.paste(pictures.code(content, code_format), (x, y))
    return image


def test_codes_come_in_reading_order(barcode: Barcode, run_plugin: Run, sheet: Image.Image) -> None:
    """Rows from the top, each from the left, though their upper edges differ."""
    codes = run_plugin(barcode, sheet)["codes"]
    assert [code["text"] for code in codes] == ["first", "4006381333931", "third", "fourth", "fifth"]


def test_no_more_codes_are_told_than_asked_for(barcode: Barcode, run_plugin: Run, sheet: Image.Image) -> None:
    """The first ones come, and the count says how many there were."""
    output = run_plugin(barcode, sheet, max_codes=2)
    assert [code["text"] for code in output["codes"]] == ["first", "4006381333931"]
    assert output["count"] == 5


def test_only_the_formats_asked_for_are_read(barcode: Barcode, run_plugin: Run, sheet: Image.Image) -> None:
    """By name and by group; a code is told as the format that it was looked for."""
    retail = run_plugin(barcode, sheet, formats=["AllRetail"])["codes"]
    assert [code["text"] for code in retail] == ["4006381333931"]
    assert [code["format"] for code in run_plugin(barcode, sheet, formats=["EAN13", "Aztec"])["codes"]] == [
        "EAN13",
        "Aztec",
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_positions_are_those_of_the_upright_image(
    orientation: int, barcode: Barcode, run_plugin: Run, sheet: Image.Image, pictures: Pictures
) -> None:
    """However the camera was held, text, order and corners are those of the upright picture, up to JPEG noise."""
    upright = run_plugin(barcode, sheet)["codes"]
    codes = run_plugin(barcode, pictures.camera_file(sheet, orientation, quality=95), "JPEG")["codes"]
    assert [code["text"] for code in codes] == [code["text"] for code in upright]
    for code, expected in zip(codes, upright, strict=True):
        assert code["orientation"] == pytest.approx(expected["orientation"], abs=1)
        for corner, expected_corner in zip(code["position"], expected["position"], strict=True):
            assert corner == pytest.approx(expected_corner, abs=4)


@pytest.mark.parametrize("degrees", [90, 180, 270, 20, 45])
def test_turned_codes_are_read(degrees: int, barcode: Barcode, run_plugin: Run, pictures: Pictures) -> None:
    """A code may lie at any angle; its orientation says which."""
    image = pictures.code("turned", "QRCode", 6).rotate(-degrees, expand=True, fillcolor=255)
    (code,) = run_plugin(barcode, image)["codes"]
    assert code["text"] == "turned"
    assert code["orientation"] % 360 == pytest.approx(degrees, abs=2)


def test_turned_linear_codes_are_looked_for_on_request_alone(
    barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """try_rotate finds what stands on its side."""
    image = pictures.code("4006381333931", "EAN13").rotate(90, expand=True)
    assert run_plugin(barcode, image)["count"] == 1
    assert run_plugin(barcode, image, try_rotate=False)["count"] == 0


def test_light_codes_on_a_dark_ground_are_looked_for_on_request_alone(
    barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """try_invert finds inverted matrix codes."""
    image = ImageOps.invert(pictures.code("night", "QRCode"))
    assert run_plugin(barcode, image)["codes"][0]["text"] == "night"
    assert run_plugin(barcode, image, try_invert=False)["count"] == 0


def test_a_code_that_fails_its_check_is_told_on_request_alone(
    barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """A wrong check digit makes a code invalid, with the kind of error."""
    image = pictures.code("4006381333931", "EAN13")
    for left in range(40, image.width - 40, 4):
        damaged = image.copy()
        damaged.paste(ImageOps.invert(image.crop((left, 0, left + 8, image.height))), (left, 0))
        codes = run_plugin(barcode, damaged, include_invalid=True)["codes"]
        invalid = [code for code in codes if not code["valid"]]
        if invalid:
            assert invalid[0]["error"] == "Checksum"
            assert all(code["valid"] for code in run_plugin(barcode, damaged)["codes"])
            return
    pytest.fail("no damage made the check digit wrong")


@pytest.mark.parametrize("options", [{"pure": True}, {"binarizer": "GlobalHistogram"}, {"try_downscale": False}])
def test_the_other_options_reach_the_library(
    options: dict[str, Any], barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """A clean code is read with each of them."""
    assert run_plugin(barcode, pictures.code("clean", "QRCode"), **options)["codes"][0]["text"] == "clean"


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "rocket.jpg", "retina.jpg", "page.png", "brick.png"])
def test_a_photograph_without_codes_gives_an_empty_list(
    name: str, barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """Nothing to be found is a result, and nothing is imagined."""
    output = run_plugin(barcode, pictures.photograph(name))
    assert (output["codes"], output["count"]) == ([], 0)


def test_a_code_in_a_photograph_is_found(barcode: Barcode, run_plugin: Run, pictures: Pictures) -> None:
    """Small, turned, blurred and in JPEG: still read, at its place."""
    picture = pictures.photograph("coffee.png").resize((1800, 1200))
    code = pictures.code("on the table", "QRCode").convert("RGB").rotate(12, expand=True, fillcolor="white")
    picture.paste(code.filter(ImageFilter.GaussianBlur(1)), (900, 500))
    (found,) = run_plugin(barcode, picture, "JPEG")["codes"]
    assert found["text"] == "on the table"
    assert all(900 <= x <= 900 + code.width and 500 <= y <= 500 + code.height for x, y in found["position"])


@pytest.mark.parametrize("ink", [0, 255])
def test_codes_on_a_transparent_ground_are_read(
    ink: int, barcode: Barcode, run_plugin: Run, pictures: Pictures
) -> None:
    """Dark or light ink, the ground becomes what it stands out from."""
    mask = ImageOps.invert(pictures.code("clear", "QRCode"))
    image = Image.new("LA", mask.size, (ink, 0))
    image.putalpha(mask)
    assert run_plugin(barcode, image)["codes"][0]["text"] == "clear"


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (70_000, 40)])
def test_images_of_any_shape_are_searched(size: tuple[int, int], barcode: Barcode, run_plugin: Run) -> None:
    """Longer images than the library takes, and smaller ones than any code, have no codes."""
    assert run_plugin(barcode, Image.new("L", size, 200))["count"] == 0


def test_a_code_in_a_very_long_image_is_placed(barcode: Barcode, run_plugin: Run, pictures: Pictures) -> None:
    """Where the image was shrunk for the library, positions are those of the whole image."""
    image = Image.new("L", (80_000, 260), 255)
    image.paste(pictures.code("far", "QRCode", 6), (75_000, 10))
    (code,) = run_plugin(barcode, image, formats=["QRCode"])["codes"]
    assert code["text"] == "far"
    assert code["position"][0] == pytest.approx([75_064, 74], abs=30)


def test_a_truncated_image_is_invalid_input(barcode: Barcode, run_plugin: Run, pictures: Pictures) -> None:
    """Half a file is refused, not searched."""
    data = pictures.encoded(pictures.photograph("rocket.jpg"), "JPEG")
    with pytest.raises(InvalidInput):
        run_plugin(barcode, data[: len(data) // 2], "JPEG")


def test_codes_beyond_what_a_result_holds_are_left_out(
    barcode: Barcode, run_plugin: Run, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result fits a message whatever the codes hold; the count says that there were more."""
    monkeypatch.setattr("runward_service.plugins.builtin.barcode.MOST_BYTES", 700)
    image = Image.new("L", (1200, 400), 255)
    for index in range(4):
        image.paste(pictures.code(f"code {index}", "QRCode"), (index * 300, 0))
    output = run_plugin(barcode, image)
    assert [code["text"] for code in output["codes"]] == ["code 0", "code 1"]
    assert output["count"] == 4


def test_the_schema_names_every_format_of_the_library() -> None:
    """No format that the installed library reads is missing, none is unknown to it."""
    readable = {code_format.name for code_format in zxingcpp.barcode_formats_list(zxingcpp.BarcodeFormat.AllReadable)}
    assert set(FORMATS) == readable
    assert all(hasattr(zxingcpp.BarcodeFormat, group) for group in FORMAT_GROUPS)


def test_an_annotated_picture(barcode: Barcode, pictures: Pictures) -> None:
    """It has the upright picture's shape, at most 2560 pixels, with ink around each code, and the same bytes again;
    without codes nothing is drawn; only who asks for it gets one.
    """
    image = Image.new("RGB", (3000, 1500), "white")
    image.paste(pictures.code("left", "QRCode", 8), (200, 300))
    image.paste(pictures.code("right", "QRCode", 8), (2000, 300))
    given: list[tuple[str, bytes, str]] = []

    def run(picture: Image.Image, **options: Any) -> None:
        context = RunContext("job", 1, lambda fraction, message: None, lambda *artifact: given.append(artifact))
        payload = Payload(pictures.encoded(picture), "image/png", options)
        ToolRunner.run_plugin(barcode, payload, context)

    run(image)
    assert given == []
    for _ in range(2):
        run(image, annotate=True)
    assert given[0] == given[1]
    name, data, mime_type = given[0]
    assert (name, mime_type) == ("annotated.jpg", "image/jpeg")
    drawn = Image.open(io.BytesIO(data)).convert("RGB")
    assert drawn.size == (2560, 1280)
    assert [inked(drawn.crop(part)) for part in ((0, 0, 1280, 1280), (1280, 0, 2560, 1280))] == [True, True]
    run(Image.new("RGB", (300, 200), "white"), annotate=True)
    assert not inked(Image.open(io.BytesIO(given[2][1])).convert("RGB"))


def inked(image: Image.Image) -> bool:
    """Whether there is anything in the colour of annotations."""
    red, green, blue = image.split()
    return any(
        r > 180 and g < 60 and 60 < b < 130
        for r, g, b in zip(red.tobytes(), green.tobytes(), blue.tobytes(), strict=True)
    )
