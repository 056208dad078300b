"""The image argument and its type."""

import io
import os

import pytest
from PIL import Image as PillowImage

import runward
from runward.image import MAX_IMAGE_BYTES, detect_mime_type, load_image


def encoded(kind):
    """Give a small image as Pillow writes it."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (64, 64), "red").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("JPEG2000", "image/jp2"),
        ("ICO", "image/vnd.microsoft.icon"),
    ],
)
def test_common_images_are_told_by_their_bytes(kind, mime_type):
    """What Pillow writes is recognised, without decoding."""
    assert detect_mime_type(encoded(kind)) == mime_type


@pytest.mark.parametrize("data", [b"", b"BMW is no bitmap", b"RIFF....WAVE", b"....ftypqt  ", b"hello"])
def test_other_bytes_are_no_image(data):
    """What only begins like an image is not taken for one."""
    assert detect_mime_type(data) is None


async def test_every_kind_of_image_argument(tmp_path):
    """Paths, path-likes, bytes and binary files all give the same bytes and type."""
    data = encoded("PNG")
    path = tmp_path / "photo.jpg"  # the bytes speak louder than the name
    path.write_bytes(data)
    for image in (str(path), path, data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert await load_image(image, None) == (data, "image/png")
    with path.open("rb") as file:
        assert await load_image(file, None) == (data, "image/png")


async def test_name_tells_the_type_where_bytes_do_not(tmp_path):
    """An unknown content has the type that its file name promises; the server judges it."""
    path = tmp_path / "scan.TIFF"
    path.write_bytes(b"not really")
    assert await load_image(path, None) == (b"not really", "image/tiff")
    with path.open("rb") as file:
        assert (await load_image(file, None))[1] == "image/tiff"


@pytest.mark.parametrize("mime_type", ["image/gif", ""])
async def test_given_type_is_never_second_guessed(mime_type):
    """The caller's type goes to the server as it is, also when it is wrong or empty."""
    assert await load_image(encoded("PNG"), mime_type) == (encoded("PNG"), mime_type)


async def test_type_that_cannot_be_told_is_asked_for(tmp_path):
    """Neither bytes nor name: the error says what to pass."""
    path = tmp_path / "data"
    path.write_bytes(b"?")
    with pytest.raises(runward.ValidationError, match="pass mime_type") as caught:
        await load_image(path, None)
    assert caught.value.reason == "MIME_TYPE_MISSING"


async def test_too_large_file_is_refused_unread(tmp_path):
    """A file past the API's limit is refused by its size."""
    path = tmp_path / "huge.png"
    path.touch()
    os.truncate(path, MAX_IMAGE_BYTES + 1)
    with pytest.raises(runward.ValidationError) as caught:
        await load_image(path, None)
    assert caught.value.reason == "IMAGE_TOO_LARGE"
    assert caught.value.details == {"limit_bytes": MAX_IMAGE_BYTES}
    with pytest.raises(runward.ValidationError), path.open("rb") as file:
        await load_image(file, "image/png")


async def test_absent_file_is_an_os_error(tmp_path):
    """A path that is not there is the caller's ordinary FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        await load_image(tmp_path / "absent.png", None)


@pytest.mark.parametrize("image", [io.StringIO("text"), 42, None])
async def test_what_is_no_image_is_a_type_error(image):
    """A file opened as text, or no file at all, is a mistake in the program."""
    with pytest.raises(TypeError):
        await load_image(image, None)
