from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageOps

from tests.demo.claims import Claims
from tests.demo.label import HEIGHT, WIDTH, as_png, as_turned_jpeg, draw, make_label

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("encode", [as_png, as_turned_jpeg])
def test_the_code_drawn_on_a_label_can_be_read_again(encode: Callable[[Image.Image], bytes]) -> None:
    """Upright as seen, the label holds the code."""
    label = make_label(random.Random(1))
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(encode(draw(label)))))
    assert image.size == (WIDTH, HEIGHT)
    assert [code.text for code in zxingcpp.read_barcodes(np.asarray(image.convert("L")))] == [label.code]


def test_the_turned_label_lies_on_its_side_in_the_file() -> None:
    """The turned label tests that EXIF orientation is honoured."""
    stored = Image.open(io.BytesIO(as_turned_jpeg(draw(make_label(random.Random(1))))))
    assert stored.size == (HEIGHT, WIDTH)


def test_a_claim_that_does_not_hold_tells_what_was_found() -> None:
    """A broken claim shows both sides."""
    claims = Claims()
    claims.equal("kept", 1, 1)
    claims.equal("broken", "0CR", "OCR")
    assert claims.kept == ["kept"]
    assert claims.broken == [("broken", "'0CR' instead of 'OCR'")]
