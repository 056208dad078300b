"""The envelope as the specification writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from runward_service.domain.clock import now_us
from runward_service.domain.envelope import envelope_of
from runward_service.domain.errors import ErrorReason, ErrorType, GovernedError


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_the_shape_is_the_specifications(reason: ErrorReason) -> None:
    """As JSON the envelope is the specification's section 6, the traceback under _internal alone."""
    time_us = 1_700_000_000_123_456
    error = GovernedError(reason, "It is broken.", {"a": [1]}, internal="Traceback: secret")
    shape: dict[str, Any] = json.loads(json.dumps(envelope_of(error, plugin="tool", time_us=time_us).as_dict()))
    assert shape == {
        "error": {
            "type": reason.error_type.value,
            "reason": reason.value,
            "message": "It is broken.",
            "details": {"a": [1]},
            "plugin": "tool",
            "timestamp": "2023-11-14T22:13:20.123456+00:00",
        },
        "_internal": {"traceback": "Traceback: secret"},
    }
    assert shape["error"]["type"] in {"ValidationError", "PluginError", "ExecutionError"}


def test_every_type_has_reasons() -> None:
    """Each reason has one type, and none of the three types is empty."""
    assert {reason.error_type for reason in ErrorReason} == set(ErrorType)


def test_the_time_is_utc() -> None:
    """An envelope's time is now, in UTC."""
    before = datetime.now(UTC)
    shape = envelope_of(GovernedError(ErrorReason.TIMEOUT, "x"), plugin="", time_us=now_us()).as_dict()
    stamp = datetime.fromisoformat(shape["error"]["timestamp"])
    assert stamp.utcoffset() is not None
    assert before.replace(microsecond=0) <= stamp <= datetime.now(UTC)
