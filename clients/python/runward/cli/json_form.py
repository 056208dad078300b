"""The machine's output: the proto's field names, enum values without prefix, protobuf's JSON for times.

The client's dataclasses have the proto's fields, so their form follows from them: absent messages are left out, all
else is there, also when empty; whole numbers are numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from runward.errors import ErrorInfo, RunwardError

if TYPE_CHECKING:
    from collections.abc import Iterable


@functools.singledispatch
def json_form(value: object) -> Any:
    """Give what json.dumps takes for a value of the client."""
    return _fields_form(value) if dataclasses.is_dataclass(value) else value


@json_form.register
def _(value: ErrorInfo) -> Any:
    return {"error": _fields_form(value)}


@json_form.register
def _(value: Enum) -> Any:
    return value.value


@json_form.register
def _(value: datetime) -> Any:
    return f"{value:%Y-%m-%dT%H:%M:%S}{_fraction(value.microsecond)}Z"


@json_form.register
def _(value: timedelta) -> Any:
    micros = round(value / timedelta(microseconds=1))
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    return f"{sign}{micros // 1_000_000}{_fraction(micros % 1_000_000)}s"


@json_form.register
def _(value: dict) -> Any:  # type: ignore[type-arg] # singledispatch takes plain classes
    return {key: json_form(item) for key, item in value.items()}


@json_form.register(list)
@json_form.register(tuple)
def _(value: Iterable[object]) -> Any:
    return [json_form(item) for item in value]


def error_form(error: RunwardError) -> dict[str, Any]:
    """Give the error envelope of an exception, with job_id and retry_after beside it where they are known."""
    info = ErrorInfo(error.type_name, error.reason, error.message, error.details, error.plugin, error.timestamp)
    form: dict[str, Any] = json_form(info)
    if error.job_id:
        form["job_id"] = error.job_id
    if error.retry_after is not None:
        form["retry_after"] = json_form(error.retry_after)
    return form


def json_line(form: object) -> str:
    """Give one line of JSON. It is ASCII, for a file name may hold bytes that are no text."""
    return json.dumps(form, separators=(", ", ": "))


def _fields_form(value: Any) -> dict[str, Any]:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: json_form(item) for name, item in fields.items() if item is not None}


def _fraction(micros: int) -> str:
    if micros == 0:
        return ""
    return f".{micros // 1000:03}" if micros % 1000 == 0 else f".{micros:06}"
