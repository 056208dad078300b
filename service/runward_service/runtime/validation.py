"""The validation rules (the specification's section 5), all of them: input before a job is accepted and again before
its run, output before it leaves the worker.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.mime import KNOWN_TYPES, admits, detect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runward_service.domain.plugin_description import PluginDescription

MAX_IMAGE_BYTES = 64 * 1024 * 1024
MAX_RESULT_BYTES = 3 * 1024 * 1024
"""A stock client reads messages up to 4 MiB."""
MAX_DEPTH = 25
"""Each level takes three of protobuf's hundred levels of nesting."""
MAX_SHOWN = 200
OCTET_STREAM = "application/octet-stream"


class InputValidator:
    """The input rules for one plugin."""

    def __init__(self, description: PluginDescription) -> None:
        """Compile the plugin's options schema. Raises ValueError when it is not a JSON Schema, or refers outside
        itself.
        """
        # A worker process imports this module for validate_output and has no use for the schema library.
        import jsonschema_rs  # noqa: PLC0415

        self._description = description
        self._admitted: set[str] = set()
        self._validation_error = jsonschema_rs.ValidationError
        self._schema = jsonschema_rs.Draft202012Validator(
            dict(description.options_schema), retriever=_refuse_reference, validate_formats=True
        )
        self._takes_no_options = self._schema.is_valid({})

    def validate(self, head: object, size_bytes: int, mime_type: object, options: Mapping[str, Any]) -> None:
        """Check an image's first bytes and size, its declared type (in lower case) and the options.

        Raises GovernedError with IMAGE_MISSING, IMAGE_TOO_LARGE, MIME_TYPE_MISSING, MIME_TYPE_UNSUPPORTED,
        MIME_TYPE_MISMATCH or OPTIONS_INVALID.
        """
        self._validate_mime_type(self._validate_image(head, size_bytes), mime_type)
        self._validate_options(options)

    def _refusal(self, reason: ErrorReason, message: str, details: Mapping[str, Any] | None = None) -> GovernedError:
        return GovernedError(reason, message, details, plugin=self._description.name)

    def _validate_image(self, head: object, size_bytes: int) -> bytes:
        if not isinstance(head, bytes):
            raise self._refusal(
                ErrorReason.IMAGE_MISSING, "payload.image must be bytes.", {"type": type(head).__name__}
            )
        if size_bytes == 0 or not head:
            raise self._refusal(ErrorReason.IMAGE_MISSING, "payload.image is missing or empty. Send the image's bytes.")
        if size_bytes > MAX_IMAGE_BYTES:
            message = f"The image has {size_bytes} bytes; at most {MAX_IMAGE_BYTES} are taken."
            details = {"size_bytes": size_bytes, "limit_bytes": MAX_IMAGE_BYTES}
            raise self._refusal(ErrorReason.IMAGE_TOO_LARGE, message, details)
        return head

    def _validate_mime_type(self, head: bytes, mime_type: object) -> None:
        if not isinstance(mime_type, str) or not mime_type.strip():
            message = 'payload.mime_type is missing or empty. Send the image\'s type, such as "image/png".'
            raise self._refusal(ErrorReason.MIME_TYPE_MISSING, message)
        if mime_type not in self._admitted:
            self._admit(mime_type)
        detected = detect(head)
        if detected != mime_type and (mime_type in KNOWN_TYPES or (detected and mime_type.startswith("image/"))):
            found = f"the bytes are {detected}" if detected else "the bytes are not of that type"
            message = f"payload.mime_type says {mime_type}, but {found}. Send the image's real type."
            details = {"declared": mime_type, "detected": detected}
            raise self._refusal(ErrorReason.MIME_TYPE_MISMATCH, message, details)

    def _admit(self, mime_type: str) -> None:
        """Refuse a type that the plugin does not take; remember for the next call one that it does."""
        supported = self._description.mime_types
        if not any(admits(pattern, mime_type) for pattern in supported):
            message = (
                f"{self._description.name} does not take {mime_type[:MAX_SHOWN]!r}. It takes {', '.join(supported)}."
            )
            details = {"declared": mime_type[:MAX_SHOWN], "supported": list(supported)}
            raise self._refusal(ErrorReason.MIME_TYPE_UNSUPPORTED, message, details)
        # Callers choose the names that wildcards admit, so those are not all remembered.
        if mime_type in KNOWN_TYPES or mime_type in supported or mime_type == OCTET_STREAM:
            self._admitted.add(mime_type)

    def _validate_options(self, options: Mapping[str, Any]) -> None:
        if options == {} and self._takes_no_options:
            return
        try:
            self._schema.validate(options)
        except self._validation_error as error:
            path = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
            message = f"payload.options does not fit the plugin's options_schema at {path}: {error.message}"
            rule = "/".join(str(part) for part in error.schema_path)
            details = {"path": path[:MAX_SHOWN], "rule": rule[:MAX_SHOWN]}
            raise self._refusal(ErrorReason.OPTIONS_INVALID, message[: 2 * MAX_SHOWN], details) from None


def _refuse_reference(uri: str) -> Any:
    message = f"an options schema refers to nothing outside itself, not to {uri}"
    raise ValueError(message)


def validate_output(output: object) -> None:
    """Check what a plugin returned: a dict with string keys that fits JSON, at most MAX_DEPTH deep.

    Raises GovernedError OUTPUT_INVALID, whose details name the place as a JSON path.
    """
    if not isinstance(output, dict):
        raise _invalid_output("$", f"a plugin returns a dict, not {_type_of(output)}")
    _validate_value(output, "$", 1)


def _invalid_output(path: str, problem: str) -> GovernedError:
    message = f"The plugin's output is invalid at {path[:MAX_SHOWN]}: {problem}."
    return GovernedError(ErrorReason.OUTPUT_INVALID, message, {"path": path[:MAX_SHOWN]})


def _validate_value(value: object, path: str, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _validate_text(value, path)
    elif isinstance(value, int | float):
        _validate_number(value, path)
    elif isinstance(value, dict | list | tuple):
        if depth > MAX_DEPTH:
            raise _invalid_output(path, f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _invalid_output(path, f"a key is {_type_of(key)}, not str")
                _validate_text(key, path)
                _validate_value(item, f"{path}.{key}", depth + 1)
        else:
            for index, item in enumerate(value):
                _validate_value(item, f"{path}[{index}]", depth + 1)
    else:
        raise _invalid_output(path, f"{_type_of(value)} does not fit JSON")


def _type_of(value: object) -> str:
    """A type's name, with its module: NumPy's bool is none of Python's."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _validate_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _invalid_output(path, "a text holds a lone surrogate") from None


def _validate_number(value: int | float, path: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _invalid_output(path, f"{value!r} is no JSON number")
        return
    try:
        exact = int(float(value)) == value
    except OverflowError:
        exact = False
    if not exact:
        raise _invalid_output(path, "an integer is too large to be kept exactly (a JSON number is a double)")
