"""The output rules: what a plugin returned either arrives exactly or is refused as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, ErrorType
from runward_service.domain.job import JobStatus
from runward_service.domain.plugin_state import PluginState
from runward_service.runtime.validation import MAX_DEPTH, MAX_RESULT_BYTES
from tests.harness.service import analyze, history, query, result_of

if TYPE_CHECKING:
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Returns", "Answers")
VALUES: list[dict[str, Any]] = [
    {},
    {"": ""},
    {"a": {"b": [1, 2.5, None, True, False, "c"]}, "e": {}, "l": [], "n": None},
    {"integers": [0, -1, 2**53, -(2**53), 2**60, 2**1000]},
    {"floats": [0.1, -0.0, 5e-324, 1.7976931348623157e308, -1e-7, 1 / 3]},
    {"text": 'Grüße, 世界 \U0001f600 \x00 \n \u2028 "quoted" \\', "ключ": "значение", "a.b[0]": 1},
    {"list": [[[[]]], [{}], [[], {}]]},
]


@pytest.mark.parametrize(
    ("output", "path", "problem"),
    [
        ("none", "$", "a plugin returns a dict, not NoneType"),
        ("str", "$", "a plugin returns a dict, not str"),
        ("list", "$", "a plugin returns a dict, not list"),
        ("number", "$", "a plugin returns a dict, not int"),
        ("bytes", "$.x", "bytes does not fit JSON"),
        ("set", "$.x", "set does not fit JSON"),
        ("nan", "$.x.y[0]", "nan is no JSON number"),
        ("infinity", "$.x", "inf is no JSON number"),
        ("int_key", "$.x", "a key is int, not str"),
        ("surrogate", "$.x", "a text holds a lone surrogate"),
        ("huge_int", "$.x", "an integer is too large to be kept exactly"),
        ("cyclic", "$" + ".self" * MAX_DEPTH, f"it is nested more than {MAX_DEPTH} deep"),
    ],
)
async def test_an_output_that_breaks_a_rule(service: Service, output: str, path: str, problem: str) -> None:
    """A ValidationError envelope with the place, the plugin FAILED, one attempt, no result."""
    job = await analyze(service, "returns", {"output": output})
    assert (job.status, job.result, job.output_digest) == (JobStatus.FAILED, None, "")
    assert job.error is not None
    assert job.error.reason is ErrorReason.OUTPUT_INVALID
    assert job.error.error_type is ErrorType.VALIDATION_ERROR
    assert job.error.details == {"path": path}
    assert job.error.plugin == "returns"
    assert problem in job.error.message
    assert (await service.registry.resolve("returns")).state is PluginState.FAILED
    assert history(service, job.id) == [(JobStatus.PENDING, 0), (JobStatus.RUNNING, 1), (JobStatus.FAILED, 1)]


async def test_twenty_five_levels_pass(service: Service) -> None:
    """An output as deep as allowed arrives whole and readable by a stock protobuf."""
    job = await analyze(service, "returns", {"output": "deep", "depth": MAX_DEPTH})
    value, depth = result_of(job), 1
    while value:
        value, depth = value["deeper"], depth + 1
    assert depth == MAX_DEPTH == 25


async def test_twenty_six_levels_do_not(service: Service) -> None:
    """One more is refused, with the place of the level that is too much."""
    job = await analyze(service, "returns", {"output": "deep", "depth": MAX_DEPTH + 1})
    assert job.error is not None
    assert job.error.details == {"path": "$" + ".deeper" * MAX_DEPTH}


async def test_an_output_up_to_the_limit_passes(service: Service) -> None:
    """The largest result arrives whole; one byte more is refused with both sizes."""
    overhead = (
        len((await analyze(service, "returns", {"output": "large", "size": 2_500_000})).result or b"") - 2_500_000
    )
    size = MAX_RESULT_BYTES - overhead
    job = await analyze(service, "returns", {"output": "large", "size": size})
    assert len(job.result or b"") == MAX_RESULT_BYTES
    assert result_of(job) == {"x": "y" * size}
    job = await analyze(service, "returns", {"output": "large", "size": size + 1})
    assert job.error is not None
    assert job.error.reason is ErrorReason.OUTPUT_INVALID
    assert job.error.details == {"path": "$", "size_bytes": MAX_RESULT_BYTES + 1, "limit_bytes": MAX_RESULT_BYTES}
    assert job.result is None


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
async def test_an_allowed_output_arrives_exactly(service: Service, value: dict[str, Any]) -> None:
    """What a plugin returned is what Analyze answers, what the store keeps, and what a later read gives: value for
    value.
    """
    job = await analyze(service, "answers", {"answer": value})
    assert job.status is JobStatus.SUCCESS, job.error
    assert result_of(job) == value
    assert job.error is None
    again = await service.reader.get_job(job.id, None)
    assert again.result == job.result
    assert query(service, "SELECT result FROM job WHERE id = ?", job.id) == [(job.result,)]


async def test_equal_outputs_have_equal_digests(service: Service) -> None:
    """The digest is over the canonical form, so that the order of keys and 1 against 1.0 make no difference, a value
    does.
    """
    outputs = [{"a": 1, "b": [2]}, {"b": [2], "a": 1.0}, {"a": 1, "b": [3]}]
    digests = [(await analyze(service, "answers", {"answer": output})).output_digest for output in outputs]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert digests[0].startswith("sha256:")
    assert len(digests[0]) == 71


@pytest.mark.parametrize("answer", [None, "text", [1], 3, True, 1.5])
async def test_an_answer_that_is_no_dict(service: Service, answer: Any) -> None:
    """JSON of another kind than an object is valid JSON and still no result."""
    job = await analyze(service, "answers", {"answer": answer})
    assert job.error is not None
    assert (job.error.reason, job.error.details) == (ErrorReason.OUTPUT_INVALID, {"path": "$"})
