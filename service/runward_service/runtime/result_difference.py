"""Where two results differ."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from runward_service.domain.verification import ABSENT

PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MAX_PATH = 2_000
MAX_TEXT = 1_000
"""Longer texts are shown from a little before their first difference on."""
TEXT_BEFORE = 100
MAX_VALUE_CHARACTERS = 64 * 1024
"""Larger objects and arrays are not shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A JSON path, and what is there in either result; ABSENT where one has nothing there, or too much to be shown."""

    path: str
    recorded: Any
    observed: Any


def first_difference(recorded: Any, observed: Any) -> Difference | None:
    """The first place at which two JSON values differ, members of objects in the order of their names; None for equal
    ones, whatever the order of their members.
    """
    found = _differ("$", recorded, observed)
    if found is None:
        return None
    values = _shown(found.recorded, found.observed)
    return Difference(found.path[:MAX_PATH], *values)


def _differ(path: str, recorded: Any, observed: Any) -> Difference | None:
    if isinstance(recorded, dict) and isinstance(observed, dict):
        for key in sorted(recorded.keys() | observed.keys()):
            step = f".{key}" if PLAIN_KEY.match(key) else f"[{json.dumps(key, ensure_ascii=False)}]"
            values = recorded.get(key, ABSENT), observed.get(key, ABSENT)
            if (found := _differ(path + step, *values)) is not None:
                return found
        return None
    if isinstance(recorded, list) and isinstance(observed, list):
        for place in range(max(len(recorded), len(observed))):
            items = [one[place] if place < len(one) else ABSENT for one in (recorded, observed)]
            if (found := _differ(f"{path}[{place}]", *items)) is not None:
                return found
        return None
    # Python takes True for 1.
    return None if type(recorded) is type(observed) and recorded == observed else Difference(path, recorded, observed)


def _shown(recorded: Any, observed: Any) -> tuple[Any, Any]:
    if isinstance(recorded, str) and isinstance(observed, str):
        same = next((n for n, pair in enumerate(zip(recorded, observed, strict=False)) if pair[0] != pair[1]), 0)
        start = max(same - TEXT_BEFORE, 0) if max(len(recorded), len(observed)) > MAX_TEXT else 0
        return recorded[start : start + MAX_TEXT], observed[start : start + MAX_TEXT]
    return _bounded(recorded), _bounded(observed)


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, dict | list) and len(json.dumps(value)) > MAX_VALUE_CHARACTERS:
        return ABSENT
    return value
