"""The order of runs that a worker was sent: whose answer counts, and which runs may have begun when it is lost."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from runward_service.runtime.frames import FrameError
from runward_service.runtime.sent_run import SentRun, SentRuns, WorkerEnded

pytestmark = pytest.mark.asyncio


def sent(*job_ids: str) -> tuple[SentRuns, list[SentRun]]:
    """Runs that a worker was sent, in this order."""
    runs = SentRuns()
    each = [SentRun(job_id, 60.0, lambda: None) for job_id in job_ids]
    for run in each:
        runs.add(run)
    return runs, each


async def test_an_answer_begins_the_next() -> None:
    """Only the first has begun; its answer is its reply, and the second has begun then."""
    runs, (first, second) = sent("1", "2")
    assert (first.begin_time > 0, second.begin_time) == (True, 0)
    assert runs.answer({"job_id": "1", "type": "result"}, b"body")
    assert await first.reply == ({"job_id": "1", "type": "result"}, b"body")
    assert (first.unanswered, second.unanswered, len(runs)) == (False, True, 1)
    assert second.begin_time > 0
    runs.fail()
    assert isinstance(second.reply.exception(), WorkerEnded)


@pytest.mark.parametrize("job_id", ["2", "another", None])
async def test_an_answer_for_another_job_is_refused(job_id: str | None) -> None:
    """A worker cannot answer for a job that is not its present one: nothing gets that answer."""
    runs, (first, second) = sent("1", "2")
    assert not runs.answer({"job_id": job_id, "type": "result"}, b"")
    assert not SentRuns().answer({"job_id": job_id}, b"")
    assert (first.reply.done(), second.reply.done(), len(runs)) == (False, False, 2)
    first.answer({}, b"")
    runs.fail()
    assert isinstance(second.reply.exception(), WorkerEnded)


async def test_a_lost_worker_may_have_begun_the_first_alone() -> None:
    """What waited behind the first has certainly not begun, so it may be made elsewhere."""
    runs, each = sent("1", "2", "3")
    runs.fail()
    ends = [run.reply.exception() for run in each]
    assert [end.begun for end in ends if isinstance(end, WorkerEnded)] == [True, False, False]
    assert len(runs) == 0


async def test_a_tainted_answer_ends_the_rest() -> None:
    """A worker that a run spoilt makes none of the others."""
    runs, (first, second) = sent("1", "2")
    assert runs.answer({"job_id": "1", "tainted": True}, b"")
    assert first.reply.done()
    end = second.reply.exception()
    assert isinstance(end, WorkerEnded)
    assert not end.begun


async def test_the_timeout_counts_from_the_beginning() -> None:
    """The second's time begins when the first is answered, not when it was sent; an answered run times out no more."""
    late = asyncio.get_running_loop().create_future()
    runs = SentRuns()
    first = SentRun("1", 60.0, lambda: late.set_result("first"))
    second = SentRun("2", 0.0, lambda: late.set_result("second"))
    runs.add(first)
    runs.add(second)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not late.done()
    runs.answer({"job_id": "1"}, b"")
    assert await late == "second"
    runs.fail()
    assert isinstance(second.reply.exception(), WorkerEnded)


PIECE = {"type": "artifact", "job_id": "1", "name": "a.bin", "mime_type": "image/png", "last": True}


async def test_artifacts_belong_to_the_run_that_has_begun() -> None:
    """Pieces are joined in order; the next run has its own; one of which the end did not come is none."""
    runs, (first, second) = sent("1", "2")
    assert runs.add_artifact({**PIECE, "last": False}, b"ab")
    assert runs.add_artifact(PIECE, b"c")
    assert runs.add_artifact({**PIECE, "name": "b.bin", "last": False}, b"d")
    assert not runs.add_artifact({**PIECE, "job_id": "2"}, b"early")
    assert not SentRuns().add_artifact(PIECE, b"late")
    runs.answer({"job_id": "1", "type": "result"}, b"")
    assert runs.add_artifact({**PIECE, "job_id": "2"}, b"second")
    assert first.artifacts is not None
    assert second.artifacts is not None
    (one,) = first.artifacts.complete()
    assert (one.name, one.data, one.size_bytes, one.mime_type) == ("a.bin", b"abc", 3, "image/png")
    assert one.digest == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"
    assert [one.data for one in second.artifacts.complete()] == [b"second"]


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ([{"name": "../a"}], 1),
        ([{"name": None}], 1),
        ([{"mime_type": "png"}], 1),
        ([{"mime_type": 7}], 1),
        ([{}, {}], 1),
        ([{"last": False}, {"name": "b.bin"}], 1),
        ([{"last": False}, {"mime_type": "image/gif"}], 1),
        ([{}], 0),
        ([{"name": f"{number}"} for number in range(33)], 1),
        ([{"last": False} for _ in range(33)], 1 << 20),
    ],
)
async def test_pieces_that_no_worker_sends(pieces: list[dict[str, object]], size: int) -> None:
    """They are no frames, which ends the worker: names, types, numbers and sizes that the SDK would have refused."""
    runs, _ = sent("1")
    *before, last = pieces
    for piece in before:
        runs.add_artifact({**PIECE, **piece}, bytes(size))
    with pytest.raises(FrameError):
        runs.add_artifact({**PIECE, **last}, bytes(size))
