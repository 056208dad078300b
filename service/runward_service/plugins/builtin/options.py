"""The options of a run, completed from their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def completed(schema: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of the schema: the given value, or the schema's default where it is absent."""
    return {name: options.get(name, described["default"]) for name, described in schema["properties"].items()}
