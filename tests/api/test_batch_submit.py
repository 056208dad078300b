"""BatchSubmitJobs over gRPC: results in order, refusals as envelopes, limits on the batch as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict

from runward.v1 import errors_pb2, jobs_pb2
from runward_service.api.requests import MAX_BATCH, MAX_BATCH_ECHO_BYTES
from tests.api.calls import payload, refused, serving
from tests.harness.service import query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.api.calls import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")
STOCK_LIMIT = 4 * 1024 * 1024
REASON = errors_pb2.ErrorReason.Name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A server with two plugins."""
    async with serving(tmp_path_factory.mktemp("data"), "Echo", "Noop") as running:
        await running.service.registry.all_described()
        yield running


def request(plugin: str = "echo", **fields: Any) -> jobs_pb2.SubmitJobRequest:
    """A request of a batch, valid where nothing else is said."""
    fields.setdefault("payload", payload())
    return jobs_pb2.SubmitJobRequest(plugin=plugin, **fields)


def batch(*requests: jobs_pb2.SubmitJobRequest) -> jobs_pb2.BatchSubmitJobsRequest:
    """A batch."""
    return jobs_pb2.BatchSubmitJobsRequest(requests=requests)


async def test_results_in_order(api: Api) -> None:
    """A job or an envelope for each request, in its place; what the message itself gets wrong is told there too."""
    sent = [
        request(labels={"place": "first"}),
        request(plugin="absent"),
        request(plugin=""),
        request(priority=5000),
        request(payload=payload(b"")),
        request(labels={"place": "last"}, priority=-7),
    ]
    results = (await api.jobs.BatchSubmitJobs(batch(*sent))).results
    kinds = [result.WhichOneof("outcome") for result in results]
    assert kinds == ["job", "error", "error", "error", "error", "job"]
    assert [dict(results[place].job.labels) for place in (0, 5)] == [{"place": "first"}, {"place": "last"}]
    assert (results[5].job.status, results[5].job.priority) == (jobs_pb2.JOB_STATUS_PENDING, -7)
    reasons = [REASON(result.error.error.reason).removeprefix("ERROR_REASON_") for result in results[1:5]]
    assert reasons == ["PLUGIN_NOT_FOUND", "INVALID_FIELD", "INVALID_FIELD", "IMAGE_MISSING"]
    assert MessageToDict(results[3].error.error.details) == {"field": "priority"}
    stored = (await api.jobs.GetJob(jobs_pb2.GetJobRequest(job_id=results[0].job.id))).job
    assert stored.labels == {"place": "first"}


async def test_as_many_as_are_taken(api: Api) -> None:
    """The largest batch is answered with a message that a stock client reads, refusals with long messages among it."""
    long = "x" * 60_000
    refusable = [request("noop", payload=payload(b"x", mime_type="image/png")) for _ in range(MAX_BATCH // 2)]
    refusable[0] = request("echo", payload=payload(word=[long]))
    good = [request("noop", labels={"k": "v" * 200}) for _ in range(MAX_BATCH // 2)]
    response = await api.jobs.BatchSubmitJobs(batch(*refusable, *good))
    assert [result.WhichOneof("outcome") for result in response.results] == ["error"] * 500 + ["job"] * 500
    assert response.ByteSize() < STOCK_LIMIT
    assert len(response.results[0].error.error.message) < 1000


@pytest.mark.parametrize(
    "sent",
    [
        [request() for _ in range(MAX_BATCH + 1)],
        [request("noop", payload=payload(text="x" * 200_000)) for _ in range(MAX_BATCH_ECHO_BYTES // 200_000 + 1)],
    ],
    ids=["too many", "too much beside the images"],
)
async def test_too_large_as_a_whole(api: Api, sent: list[jobs_pb2.SubmitJobRequest]) -> None:
    """The call is refused with what to do, and nothing is stored."""
    before = query(api.service, "SELECT count(*) FROM job")
    refusal = await refused(api.jobs.BatchSubmitJobs(batch(*sent)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert refusal.details == {"field": "requests"}
    assert "batches" in refusal.message or "at most" in refusal.message
    assert query(api.service, "SELECT count(*) FROM job") == before


async def test_an_empty_batch(api: Api) -> None:
    """Nothing in, nothing out."""
    assert not (await api.jobs.BatchSubmitJobs(batch())).results
