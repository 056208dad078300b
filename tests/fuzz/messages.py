"""Requests that hypothesis makes up from the descriptors: any message of any method, whole, cut, changed, or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from hypothesis import strategies as st

from runward.v1 import blobs_pb2, governance_pb2, jobs_pb2, plugins_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, MethodDescriptor

MODULES = (jobs_pb2, plugins_pb2, blobs_pb2, governance_pb2, health_pb2)
METHODS: tuple[MethodDescriptor, ...] = tuple(
    method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
"""Every method of runward.v1 and of health."""
WORDS = ("noop", "image_info", "image/png", "*/*", "runward.plugin.noop", "sha256:" + "a" * 64, "\0", "..", "ä" * 300)
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
DEEP = 28
"""A level of JSON takes three of the hundred levels of protobuf."""
TOO_DEEP = 300
WHOLE_NUMBERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True, repr=False)
class FuzzRequest:
    """The bytes that a method is called with."""

    method: MethodDescriptor
    data: bytes

    def __repr__(self) -> str:
        """As hypothesis tells it."""
        return f"{self.path} {self.data!r}"

    @property
    def path(self) -> str:
        """The method's name on the wire."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


def texts() -> st.SearchStrategy[str]:
    """Words that the service knows, and others."""
    return st.one_of(st.sampled_from(WORDS), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


def json_values() -> st.SearchStrategy[Any]:
    """Options: what JSON has, numbers that it lacks, and deep nesting."""
    deep: Any = {}
    for _ in range(DEEP):
        deep = {"x": deep}
    plain = st.one_of(st.none(), st.booleans(), st.floats(), st.just(math.nan), texts())
    nested = st.recursive(
        plain, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(), inner, max_size=3))
    )
    return st.one_of(st.dictionaries(texts(), nested, max_size=3), st.just({}), st.just(deep))


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Any:
    """A message of a type, each field absent or anything that it can hold."""
    message = GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Struct":
        message.update(draw(json_values()))
        return message
    for field in descriptor.fields:
        if draw(st.integers(0, 3)) == 0:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update(draw(st.dictionaries(texts(), texts(), max_size=3)))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values(field), max_size=3)))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(messages(field.message_type)))
        else:
            setattr(message, field.name, draw(values(field)))
    return message


def values(declared: FieldDescriptor) -> st.SearchStrategy[Any]:
    """What one value of a field can be."""
    if declared.message_type is not None:
        return messages(declared.message_type)
    if declared.type in WHOLE_NUMBERS:
        least, most = WHOLE_NUMBERS[declared.type]
        return st.one_of(st.integers(max(least, -2), 5), st.integers(least, most), st.sampled_from([least, most]))
    if declared.type == FieldDescriptor.TYPE_BYTES:
        return st.one_of(st.just(PICTURE), st.just(PICTURE[:20]), st.binary(max_size=200))
    if declared.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if declared.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}:
        return st.floats()
    return texts()


@st.composite
def fuzz_requests(draw: st.DrawFn) -> FuzzRequest:
    """A call of some method: with a message of it, with one that was cut or changed, or with any bytes."""
    method = draw(st.sampled_from(METHODS))
    how = draw(st.sampled_from(("whole", "whole", "cut", "changed", "other", "bytes", "deep")))
    kind = draw(st.sampled_from(METHODS)).input_type if how == "other" else method.input_type
    if how == "bytes":
        return FuzzRequest(method, draw(st.binary(max_size=100)))
    if how == "deep":
        return FuzzRequest(method, deep_options())
    data = draw(messages(kind)).SerializeToString()
    if how == "cut" and data:
        data = data[: draw(st.integers(0, len(data) - 1))]
    elif how == "changed" and data:
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
    return FuzzRequest(method, data)


def deep_options() -> bytes:
    """An Analyze request whose options are nested deeper than protobuf reads."""
    struct = b""
    for _ in range(TOO_DEEP):
        value = field(5, struct)
        struct = field(1, field(1, b"x") + field(2, value))
    return field(1, b"noop") + field(2, field(1, PICTURE) + field(3, b"image/png") + field(4, struct))


def field(number: int, data: bytes) -> bytes:
    """A field of bytes, encoded."""
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data
