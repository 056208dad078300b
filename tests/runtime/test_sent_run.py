"""The order of runs that a worker was sent: whose answer counts, and which runs may have begun when it is lost."""

from __future__ import annotations

import asyncio

import pytest

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
