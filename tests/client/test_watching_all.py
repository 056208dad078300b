"""Following many jobs over broken streams."""

import asyncio
import json
from contextlib import aclosing

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def update(server, status, revision, job_id="job-1"):
    """Make one change of WatchJobs."""
    job = server.job(status, revision)
    job.id = job_id
    return jobs_pb2.WatchJobsResponse(job=job)


def mark(revision):
    """Make one bookmark of WatchJobs."""
    return jobs_pb2.WatchJobsResponse(bookmark=jobs_pb2.Bookmark(revision=revision))


def stream(*updates, then=None):
    """Make a handler that sends these and ends OK, or as `then` says."""

    def answer(request, context):
        yield from updates
        if then is not None:
            then(request, context)

    return answer


async def take(updates, count):
    """Give the revisions of the first updates, bookmarks as negative numbers, and leave the stream."""
    async with aclosing(updates):
        found = []
        async for one in updates:
            found.append(-one.revision if isinstance(one, runward.Bookmark) else one.revision)
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


async def test_filters_reach_the_server(server, rw):
    """Plugin, statuses, labels and the start are sent as given."""
    server.on("WatchJobs", server.hang(mark(7)).stream)
    updates = rw.watch_jobs(plugin="ocr", statuses=["FAILED"], labels={"a": "b"}, after_revision=-1)
    assert await take(updates, 1) == [-7]
    (request,) = server.requests["WatchJobs"]
    assert (request.plugin, request.statuses, request.labels, request.after_revision) == ("ocr", [4], {"a": "b"}, -1)


@pytest.mark.parametrize("explained", [True, False], ids=["draining", "without details"])
async def test_resumes_after_the_last_revision_or_bookmark(server, rw, explained):
    """A stream that breaks is opened again after what was seen last, of whatever kind; nothing comes twice. One that
    ends OK, which none does by itself, counts as broken.
    """
    breaks = server.refusal("DRAINING", UNAVAILABLE) if explained else server.ending(UNAVAILABLE)
    server.script(
        "WatchJobs",
        stream(mark(2), update(server, "PENDING", 3), update(server, "RUNNING", 5), then=breaks),
        stream(then=breaks),
        stream(update(server, "RUNNING", 5), mark(5), mark(8), then=breaks),
        stream(update(server, "SUCCESS", 9)),
        server.hang(mark(9), update(server, "PENDING", 11, "job-2")).stream,
    )
    assert await take(rw.watch_jobs(after_revision=-1), 6) == [-2, 3, 5, -8, 9, 11]
    assert [request.after_revision for request in server.requests["WatchJobs"]] == [-1, 5, 5, 8, 9]


async def test_outlives_a_server_restart(server, rw):
    """A server that goes away under a stream and comes back on the same address is found again."""
    server.script(
        "WatchJobs",
        server.hang(mark(1), update(server, "RUNNING", 5)).stream,
        server.hang(update(server, "SUCCESS", 9)).stream,
    )
    seen = []
    async with aclosing(rw.watch_jobs()) as updates:
        async for job in updates:
            seen.append(job.revision)
            if job.revision == 5:
                await asyncio.to_thread(server.stop)
                server.start()
            if job.revision == 9:
                break
    assert seen == [1, 5, 9]


async def test_compaction_is_told_with_where_to_go_on(server, rw):
    """OUT_OF_RANGE is no break: the caller hears of it, with the first revision that can be used."""
    gone = server.refusal("REVISION_COMPACTED", grpc.StatusCode.OUT_OF_RANGE, details={"first_usable_revision": 40})
    server.script("WatchJobs", stream(update(server, "RUNNING", 5), then=server.ending(UNAVAILABLE)), gone)
    with pytest.raises(runward.ValidationError) as caught:
        await take(rw.watch_jobs(), 2)
    assert (caught.value.reason, caught.value.details) == ("REVISION_COMPACTED", {"first_usable_revision": 40})


async def test_a_quiet_watch_outlives_a_restart_too(server):
    """Time without changes does not count against a server: only the time in which it is gone."""
    policy = runward.RetryPolicy(initial=0.01, longest=0.02, resume=0.5)
    hang = server.hang(mark(1))
    server.script("WatchJobs", hang.stream, server.hang(mark(2)).stream)
    async with runward.connect(server.target, retry=policy) as rw:
        updates = rw.watch_jobs()
        assert (await anext(updates)).revision == 1
        waiting = asyncio.ensure_future(anext(updates))
        await asyncio.to_thread(hang.left.wait, 0.6)  # longer than the policy comes back
        await asyncio.to_thread(server.stop)
        server.start()
        assert (await waiting).revision == 2
        await updates.aclose()


async def test_a_crowd_that_comes_back_is_patient(server, rw):
    """After a restart the server may have no room for all streams at once: one that was open before waits for its turn,
    a new one is told.
    """
    full = server.refusal("TOO_MANY_CALLS", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=0.01)
    server.script("WatchJobs", full, stream(mark(2), then=server.ending(UNAVAILABLE)), full, full, stream(mark(3)))
    with pytest.raises(runward.RunwardError, match="TOO_MANY_CALLS"):
        await take(rw.watch_jobs(), 1)
    assert await take(rw.watch_jobs(), 2) == [-2, -3]


async def test_gives_up_on_a_server_that_does_not_come_back(server):
    """Past the policy's time to resume, the broken stream is told."""
    server.script("WatchJobs", stream(mark(5), then=server.ending(UNAVAILABLE)), server.ending(UNAVAILABLE))
    policy = runward.RetryPolicy(initial=0.01, longest=0.02, resume=0.1)
    async with runward.connect(server.target, retry=policy) as rw:
        with pytest.raises(runward.TransportError):
            await take(rw.watch_jobs(), 2)
    assert server.requests["WatchJobs"][-1].after_revision == 5


async def test_leaving_cancels_the_stream(server, rw):
    """An iterator that is closed early leaves no stream behind on the server."""
    hang = server.hang(mark(1))
    server.on("WatchJobs", hang.stream)
    assert await take(rw.watch_jobs(), 1) == [-1]
    assert await asyncio.to_thread(hang.left.wait, 30)


async def test_a_snapshot_is_where_a_watch_begins(server, rw):
    """All pages, and the revision of the first: what changed meanwhile comes again rather than not at all."""
    server.script(
        "ListJobs",
        lambda *_: jobs_pb2.ListJobsResponse(jobs=[server.job("SUCCESS", 4)], next_page_token="t", revision=6),
        lambda *_: jobs_pb2.ListJobsResponse(jobs=[server.job("FAILED", 3)], revision=9),
    )
    snapshot = await rw.snapshot(plugin="ocr", statuses=["SUCCESS", "FAILED"], labels={"a": "b"})
    assert ([job.revision for job in snapshot.jobs], snapshot.revision) == ([4, 3], 6)
    assert [request.page_token for request in server.requests["ListJobs"]] == ["", "t"]
    assert server.requests["ListJobs"][0].plugin == "ocr"


def test_the_synchronous_client_has_both(server):
    """watch_jobs is an ordinary iterator there, closed by leaving it; snapshot waits."""
    hang = server.hang(mark(1), update(server, "RUNNING", 5))
    server.on("WatchJobs", hang.stream)
    server.on("ListJobs", lambda *_: jobs_pb2.ListJobsResponse(revision=1))
    with runward.connect_sync(server.target) as rw:
        assert rw.snapshot() == runward.Snapshot((), 1)
        updates = rw.watch_jobs(after_revision=-1)
        assert [next(updates).revision for _ in range(2)] == [1, 5]
        updates.close()
    assert hang.left.wait(30)


def test_the_command_line_watches_all(server, run):
    """Without a job, `jobs watch` shows what comes for the filters, and ends with the server's word."""
    gone = server.refusal("REVISION_COMPACTED", grpc.StatusCode.OUT_OF_RANGE, details={"first_usable_revision": 40})
    server.on("WatchJobs", stream(mark(1), update(server, "RUNNING", 5), update(server, "FAILED", 6), then=gone))
    done = run("jobs", "watch", "--plugin", "ocr", "--status", "running", "--label", "a=b", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {"bookmark": {"revision": 1}}
    assert [line["status"] for line in lines[1:3]] == ["RUNNING", "FAILED"]
    assert lines[3]["error"]["details"] == {"first_usable_revision": 40}
    assert done.exit_code == 1
    (request,) = server.requests["WatchJobs"]
    assert (request.plugin, request.statuses, request.labels, request.after_revision) == ("ocr", [2], {"a": "b"}, -1)

    done = run("jobs", "watch", "--after-revision", "0")
    assert server.requests["WatchJobs"][-1].after_revision == 0
    assert "job-1" in done.stdout
    assert "FAILED" in done.stdout
    assert "REVISION_COMPACTED" in done.stderr


def test_filters_are_not_for_one_job(server, run):
    """A job and a filter together are wrong usage; nothing is sent."""
    assert run("jobs", "watch", "job-1", "--plugin", "ocr").exit_code == 2
    assert server.requests == {}
