"""Digests of JSON values: SHA-256 over their canonical form, RFC 8785, so that any program can compute them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import rfc8785

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
"""How a digest is written."""
EXACT_INTEGERS = 2**53 - 1
EMPTY_OBJECT = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
"""The digest of the object without members, which most options are."""
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical_json(value: Any) -> bytes:
    """The canonical form of a JSON value. Integers beyond 2**53 are the doubles that they are in JSON.

    Raises ValueError for what is no JSON.
    """
    if type(value) is dict and _is_plain(value):
        return _PLAIN(value).encode()
    return rfc8785.dumps(_as_doubles(value))


def json_digest(value: Any) -> str:
    """The digest of a JSON value, "sha256:<hex>". Raises ValueError for what is no JSON."""
    if not value and type(value) is dict:
        return EMPTY_OBJECT
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"


def _is_plain(value: Mapping[Any, Any]) -> bool:
    """Whether the standard encoder, which is ten times as fast, writes an object as the canonical form has it: flat,
    without fractions, and with names that sort the same by code points and by UTF-16.
    """
    for name, item in value.items():
        kind = type(item)
        if type(name) is not str or not name.isascii():
            return False
        if kind is int:
            if not -EXACT_INTEGERS <= item <= EXACT_INTEGERS:
                return False
        elif kind is not str and kind is not bool and item is not None:
            return False
    return True


def _as_doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_doubles(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_doubles(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_INTEGERS:
        return float(value)
    return value
