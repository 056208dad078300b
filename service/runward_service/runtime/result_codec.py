"""A plugin's result as an encoded google.protobuf.Struct, made once in the worker and handed on as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from runward_service.domain.digests import json_digest
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.runtime.validation import MAX_RESULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def encode_result(result: Mapping[str, Any]) -> bytes:
    """Encode a result that validate_output has passed.

    Raises GovernedError OUTPUT_INVALID when it is larger than MAX_RESULT_BYTES.
    """
    struct = Struct()
    _fill_struct(struct, result)
    encoded: bytes = struct.SerializeToString(deterministic=True)
    check_size(encoded)
    return encoded


def decode_result(encoded: bytes) -> dict[str, Any]:
    """The result that encode_result has encoded, its numbers as the doubles that they were sent as. Raises ValueError
    for what is none.
    """
    try:
        struct = Struct.FromString(encoded)
    except DecodeError as error:
        raise ValueError("these bytes are no result") from error
    return {key: _decoded(value) for key, value in struct.fields.items()}


def _decoded(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _decoded(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_decoded(item) for item in value.list_value.values]
    return None if kind in {None, "null_value"} else getattr(value, kind)


def check_size(encoded: bytes) -> None:
    """Raises GovernedError OUTPUT_INVALID when an encoded result is larger than MAX_RESULT_BYTES."""
    if len(encoded) > MAX_RESULT_BYTES:
        message = f"The plugin's output takes {len(encoded)} bytes; at most {MAX_RESULT_BYTES} are taken."
        details = {"path": "$", "size_bytes": len(encoded), "limit_bytes": MAX_RESULT_BYTES}
        raise GovernedError(ErrorReason.OUTPUT_INVALID, message, details)


def validate_encoded(encoded: bytes) -> None:
    """Check, in the service, that what a worker sent is an encoded result. Raises GovernedError OUTPUT_INVALID."""
    check_size(encoded)
    try:
        Struct.FromString(encoded)
    except Exception as error:
        message = "The worker sent a result that cannot be read."
        raise GovernedError(ErrorReason.OUTPUT_INVALID, message, {"path": "$"}) from error


def output_digest(result: Mapping[str, Any]) -> str:
    """The digest ("sha256:<hex>") of a result's canonical form, RFC 8785."""
    return json_digest(result)


def _fill_struct(struct: Struct, mapping: Mapping[str, Any]) -> None:
    fields = struct.fields
    for key, item in mapping.items():
        _fill_value(fields[key], item)


def _fill_value(value: Value, item: Any) -> None:
    if item is None:
        value.null_value = NULL_VALUE
    elif isinstance(item, bool):
        value.bool_value = item
    elif isinstance(item, str):
        value.string_value = item
    elif isinstance(item, int | float):
        value.number_value = float(item)
    elif isinstance(item, dict):
        value.struct_value.SetInParent()
        _fill_struct(value.struct_value, item)
    else:
        _fill_list(value, item)


def _fill_list(value: Value, items: Sequence[Any]) -> None:
    value.list_value.SetInParent()
    values = value.list_value.values
    for item in items:
        _fill_value(values.add(), item)
