"""image_info on real and on awkward pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

from runward_service.plugins.base import InvalidInput, Payload, RunContext
from runward_service.runtime.tool_runner import ToolRunner

if TYPE_CHECKING:
    from runward_service.plugins.builtin.image_info import ImageInfo
    from tests.plugins.conftest import Pictures, Run


def bits_apart(one: str, other: str) -> int:
    """Count the bits in which two hexadecimal hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_a_photograph_is_described(image_info: ImageInfo, run_plugin: Run, pictures: Pictures) -> None:
    """A known photograph gets its size, mode, hashes (those that imagehash gives) and plausible measures."""
    picture = pictures.photograph("astronaut.png")
    info = run_plugin(image_info, picture)
    assert (info["width"], info["height"], info["format"], info["mode"]) == (512, 512, "PNG", "RGB")
    assert info["hashes"] == {
        "phash": str(imagehash.phash(picture)),
        "dhash": str(imagehash.dhash(picture)),
        "average": str(imagehash.average_hash(picture)),
    }
    assert info["blur"]["verdict"] == "sharp"
    assert 0.4 < info["exposure"]["mean_luminance"] < 0.5
    assert not info["has_alpha"]
    assert (info["animated"], info["frames"], info["exif"], info["exif_status"]) == (False, 1, None, "absent")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_changes_nothing_but_what_is_told_of_it(
    orientation: int,
    image_info: ImageInfo,
    run_plugin: Run,
    pictures: Pictures,
) -> None:
    """However the camera was held, the upright picture is described, up to JPEG noise."""
    picture = pictures.photograph("coffee.png")
    upright = run_plugin(image_info, pictures.camera_file(picture, 1, quality=95), "JPEG")
    info = run_plugin(image_info, pictures.camera_file(picture, orientation, quality=95), "JPEG")
    assert info["orientation"] == {"exif": orientation, "applied": orientation != 1}
    assert (info["width"], info["height"]) == (600, 400)
    assert (info["stored_width"], info["stored_height"]) == ((400, 600) if orientation >= 5 else (600, 400))
    assert all(bits_apart(info["hashes"][name], upright["hashes"][name]) <= 2 for name in upright["hashes"])
    assert info["exposure"] == pytest.approx(upright["exposure"], abs=0.005)
    assert info["blur"]["laplacian_variance"] == pytest.approx(upright["blur"]["laplacian_variance"], rel=0.05)


def modes() -> dict[str, tuple[Image.Image, str]]:
    """Make one picture, a grey ramp with a bright corner, in every mode, with a format that keeps it."""
    ramp = Image.linear_gradient("L").resize((120, 80))
    ramp.paste(250, (60, 0, 120, 40))
    colour = ramp.convert("RGB")
    sixteen = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257)
    lab = ImageCms.profileToProfile(
        colour, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    return {
        "1": (ramp.convert("1"), "PNG"),
        "L": (ramp, "PNG"),
        "LA": (ramp.convert("LA"), "PNG"),
        "P": (colour.quantize(64), "PNG"),
        "RGB": (colour, "PNG"),
        "RGBA": (colour.convert("RGBA"), "PNG"),
        "CMYK": (colour.convert("CMYK"), "JPEG"),
        "YCbCr": (colour.convert("YCbCr"), "TIFF"),
        "LAB": (lab, "TIFF"),
        "I;16": (sixteen, "PNG"),
        "I;16B": (Image.frombytes("I;16B", ramp.size, np.asarray(sixteen).byteswap().tobytes()), "TIFF"),
        "I": (ramp.convert("I"), "TIFF"),
        "F": (ramp.convert("F"), "TIFF"),
    }


@pytest.mark.parametrize("mode", modes())
def test_every_mode_is_measured_alike(mode: str, image_info: ImageInfo, run_plugin: Run) -> None:
    """The same picture in any mode has much the same brightness, colours and hash."""
    image, file_format = modes()[mode]
    plain = run_plugin(image_info, modes()["L"][0])
    info = run_plugin(image_info, image, file_format)
    assert info["mode"] == mode
    assert info["exposure"]["mean_luminance"] == pytest.approx(plain["exposure"]["mean_luminance"], abs=0.02)
    assert bits_apart(info["hashes"]["average"], plain["hashes"]["average"]) <= 6
    assert sum(colour["share"] for colour in info["dominant_colours"]) <= 1.0001


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 500), (500, 1), (3, 40_000)])
def test_the_smallest_and_the_narrowest_images_are_described(
    size: tuple[int, int], image_info: ImageInfo, run_plugin: Run
) -> None:
    """There is no size below which something is undefined."""
    info = run_plugin(image_info, Image.new("RGB", size, (200, 30, 30)))
    assert (info["width"], info["height"]) == size
    assert info["blur"] == {"laplacian_variance": 0.0, "verdict": "featureless"}
    assert info["dominant_colours"] == [{"hex": "#c81e1e", "share": 1.0}]
    assert info["exposure"]["contrast"] == 0.0


def test_numbers_that_are_none_do_not_reach_the_output(image_info: ImageInfo, run_plugin: Run) -> None:
    """Floating-point pixels may be NaN or infinite."""
    values = np.full((40, 60), 0.5, dtype=np.float32)
    values[0, 0], values[1, 1], values[2, 2], values[3] = np.nan, np.inf, -np.inf, 0.1
    assert run_plugin(image_info, Image.fromarray(values), "TIFF")["mode"] == "F"
    assert run_plugin(image_info, Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)), "TIFF")["mode"] == "F"


def test_dominant_colours_are_those_that_were_painted(image_info: ImageInfo, run_plugin: Run) -> None:
    """Flat colours come back exactly, the most frequent first, with the shares that they cover."""
    image = Image.new("RGB", (100, 50), "#102030")
    image.paste("#f0c020", (0, 0, 30, 50))
    image.paste("#20a040", (30, 0, 40, 50))
    assert run_plugin(image_info, image)["dominant_colours"] == [
        {"hex": "#102030", "share": 0.6},
        {"hex": "#f0c020", "share": 0.3},
        {"hex": "#20a040", "share": 0.1},
    ]


@pytest.mark.parametrize("count", [0, 1, 3, 16])
def test_as_many_colours_are_told_as_asked_for(
    count: int, image_info: ImageInfo, run_plugin: Run, pictures: Pictures
) -> None:
    """At most ``colours`` of them, each no less frequent than the next."""
    colours = run_plugin(image_info, pictures.photograph("coffee.png"), colours=count)["dominant_colours"]
    assert len(colours) <= count
    assert len(colours) == min(count, 16) or count > 5
    assert [colour["share"] for colour in colours] == sorted((colour["share"] for colour in colours), reverse=True)


def test_transparent_pixels_have_no_colour(image_info: ImageInfo, run_plugin: Run) -> None:
    """What cannot be seen is left out of the colours; a picture that cannot be seen at all has none."""
    image = Image.new("RGBA", (100, 100), (0, 255, 0, 0))
    assert run_plugin(image_info, image)["dominant_colours"] == []
    image.paste((250, 0, 0, 255), (0, 0, 50, 50))
    info = run_plugin(image_info, image)
    assert info["has_alpha"]
    assert info["dominant_colours"] == [{"hex": "#fa0000", "share": 1.0}]


def test_a_bright_drawing_on_a_transparent_ground_is_laid_over_black(image_info: ImageInfo, run_plugin: Run) -> None:
    """White on transparent is not lost on white paper."""
    image = Image.new("RGBA", (100, 100), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (20, 20, 60, 80))
    assert run_plugin(image_info, image)["exposure"]["mean_luminance"] == pytest.approx(0.24)


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png"])
def test_blur_lowers_the_measure_until_the_verdict_says_so(
    name: str, image_info: ImageInfo, run_plugin: Run, pictures: Pictures
) -> None:
    """Sharp photographs are called sharp, and blurred when they are blurred."""
    picture = pictures.photograph(name).convert("RGB")
    infos = [run_plugin(image_info, picture.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 4)]
    measures = [info["blur"]["laplacian_variance"] for info in infos]
    assert measures == sorted(measures, reverse=True)
    assert (infos[0]["blur"]["verdict"], infos[2]["blur"]["verdict"]) == ("sharp", "blurred")


def test_exposure_tells_what_is_clipped(image_info: ImageInfo, run_plugin: Run) -> None:
    """Shares of black and white pixels, mean and contrast are those of the picture."""
    image = Image.new("L", (100, 100), 0)
    image.paste(255, (0, 0, 25, 100))
    image.paste(128, (25, 0, 50, 100))
    assert run_plugin(image_info, image)["exposure"] == {
        "mean_luminance": 0.3755,
        "contrast": 0.4147,
        "clipped_shadows": 0.5,
        "clipped_highlights": 0.25,
    }


@pytest.mark.parametrize(("file_format", "animated"), [("GIF", True), ("WEBP", True), ("PNG", True), ("TIFF", False)])
def test_frames_are_counted(
    file_format: str, animated: bool, image_info: ImageInfo, run_plugin: Run, pictures: Pictures
) -> None:
    """Animations say so and are described by their first frame; a document's pages are counted, not an animation."""
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    parameters: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    info = run_plugin(
        image_info,
        pictures.encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **parameters),
        file_format,
    )
    assert (info["frames"], info["animated"]) == (3, animated)
    assert info["dominant_colours"] == [{"hex": "#ff0000", "share": 1.0}]


def test_a_real_animation_is_described(image_info: ImageInfo, run_plugin: Run, pictures: Pictures) -> None:
    """The first frame of a palette animation is measured in colour."""
    info = run_plugin(image_info, pictures.file("no_time_for_that_tiny.gif"), "GIF")
    assert (info["animated"], info["frames"], info["mode"]) == (True, 24, "P")


def test_an_icc_profile_is_named(image_info: ImageInfo, run_plugin: Run, pictures: Pictures) -> None:
    """A profile gives its name; one that is no profile gives none."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (40, 30), "red")
    assert "sRGB" in run_plugin(image_info, pictures.encoded(image, icc_profile=profile))["icc_profile"]
    assert run_plugin(image_info, pictures.encoded(image, icc_profile=b"no profile"))["icc_profile"] is None
    assert run_plugin(image_info, image)["icc_profile"] is None


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_truncated_image_is_invalid_input(
    file_format: str,
    image_info: ImageInfo,
    run_plugin: Run,
    pictures: Pictures,
) -> None:
    """Half a file is refused, not described."""
    data = pictures.encoded(pictures.photograph("rocket.jpg"), file_format)
    with pytest.raises(InvalidInput):
        run_plugin(image_info, data[: len(data) // 2], file_format)


def test_the_same_image_gives_the_same_output(image_info: ImageInfo, run_plugin: Run, pictures: Pictures) -> None:
    """The plugin says that it is cacheable: to the last digit."""
    assert image_info.cacheable
    first, second = (run_plugin(image_info, pictures.photograph("retina.jpg"), "JPEG") for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_progress_goes_forward(image_info: ImageInfo, pictures: Pictures) -> None:
    """Watchers see shares from 0 to 1 that never fall."""
    shares: list[float] = []
    context = RunContext("job", 1, lambda fraction, message: shares.append(fraction))
    ToolRunner.run_plugin(image_info, Payload(pictures.encoded(Image.new("L", (30, 20))), "image/png"), context)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
