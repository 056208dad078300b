"""Provenance: a statement holds as it was made, and with no change of it."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from runward.job import Receipt
from runward.provenance import ProvenanceError, key_id_of, statement_of_receipt, verify_statement

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = bytes(range(32))
DIGEST = f"sha256:{5:064}"
DOCUMENT = json.dumps(
    {
        "artifacts": [{"digest": DIGEST, "mime_type": "image/png", "name": "crop", "size_bytes": 12}],
        "error": "",
        "input": {"digest": DIGEST, "mime_type": "image/png", "size_bytes": 67},
        "job": {"id": "job", "principal": "anonymous", "request_id": "", "tenant": "default"},
        "key_id": key_id_of(SECRET),
        "options": DIGEST,
        "outcome": {"attempt": 1, "cached": False, "status": "SUCCESS"},
        "output": {"digest": DIGEST, "encoded_digest": DIGEST},
        "plugin": {"code_digest": DIGEST, "name": "barcode", "version": "1.0.0"},
        "request": {"labels": {"team": "intake"}, "priority": 0, "skip_cache": False},
        "schema": "runward.receipt/1",
        "times": {"create_us": 1, "end_us": 3, "start_us": 2},
    }
)


@pytest.fixture
def statement() -> dict[str, Any]:
    """A statement as a client makes it."""
    mac = hmac.new(SECRET, DOCUMENT.encode(), hashlib.sha256).hexdigest()
    return statement_of_receipt(Receipt(DOCUMENT, mac, key_id_of(SECRET), 7, "0" * 64))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, by the keys that lead to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def holds(statement: Any) -> bool:
    """Whether all of a statement was signed; one without a receipt, or of another key, does not hold either."""
    try:
        return verify_statement(statement, [SECRET]) == []
    except ProvenanceError:
        return False


def test_nothing_of_a_statement_can_be_changed(statement: dict[str, Any]) -> None:
    """Wherever a value is changed, removed or added, it does not hold any more."""
    assert holds(statement)
    for *path, last in places(statement):
        for change in ("other", "gone", "further"):
            changed = copy.deepcopy(statement)
            at = changed
            for key in path:
                at = at[key]
            if change == "other":
                at[last] = f"{at[last]}?"
            elif change == "gone":
                del at[last]
            elif isinstance(at, dict):
                at["further"] = 1
            else:
                at.append(at[last])
            assert not holds(changed), (path, last, change)
