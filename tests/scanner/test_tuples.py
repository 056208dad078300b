"""The scanner's named tuples do what it uses of ``typing.NamedTuple``, and it starts without what it needs not."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from runward_scanner.finding import Finding, Place
from runward_scanner.settings import Settings


def test_fields_by_place_name_and_default() -> None:
    """Arguments come by place and by name, fields are read by both."""
    place = Place("a.py", line=3)
    assert place == ("a.py", 3, 0, 0)
    assert (place.path, place.end_column) == ("a.py", 0)
    path, line, *_ = place
    assert (path, line) == ("a.py", 3)
    assert Place._fields == Place.__match_args__ == ("path", "line", "column", "end_column")


@pytest.mark.parametrize("given", [(), ("a.py", 1, 2, 3, 4)])
def test_too_few_or_too_many_are_refused(given: tuple[object, ...]) -> None:
    """As by any other call."""
    with pytest.raises(TypeError):
        Place(*given)  # type: ignore[arg-type]


def test_fields_are_not_set() -> None:
    """They are a tuple's."""
    with pytest.raises(AttributeError):
        Place("a.py", 1).line = 2  # type: ignore[misc]


def test_methods_and_properties_are_the_class_s_own() -> None:
    """What the body of the class holds beside its fields is the class's."""
    finding = Finding(Place("a.py", 1), "RWD001", "Told.")
    assert finding.to_json()["rule"] == "RWD001"
    assert Settings().sdk_package == "runward_service"
    assert Finding.__doc__ is not None
    assert Finding.__doc__.startswith("One violation.")


def test_replaced_copied_and_told() -> None:
    """A tuple with other fields, a copy, and the text that a failed test shows."""
    place = Place("a.py", 1)
    assert place._replace(line=2) == Place("a.py", 2)
    assert copy.deepcopy(place) == copy.copy(place) == place
    assert repr(place) == "Place(path='a.py', line=1, column=0, end_column=0)"
    with pytest.raises(TypeError):
        place._replace(colour=1)  # type: ignore[call-arg]


def test_what_takes_long_to_load_is_not_loaded() -> None:
    """A scan that prints text needs none of these."""
    program = (
        "import sys; before = set(sys.modules);"
        "import runward_scanner.run, runward_scanner.analysis, runward_scanner.report.text;"
        "long = {'argparse', 'json', 'pathlib', 're', 'tokenize', 'tomllib', 'typing'};"
        "print(sorted(long & (set(sys.modules) - before)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
