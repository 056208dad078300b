"""The pictures that ``make verify`` runs on."""

from __future__ import annotations

from tests.verify.pictures import pictures


def test_half_of_the_pictures_are_real_and_none_is_there_twice() -> None:
    """The same seed gives the same pictures, another one others."""
    chosen = pictures(120, 1)
    assert [picture.kind for picture in chosen].count("real") == 60
    assert len({picture.data for picture in chosen}) == len({picture.name for picture in chosen}) == 120
    assert pictures(120, 1) == chosen
    assert pictures(120, 2) != chosen
