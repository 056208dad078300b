"""The client for code without asyncio."""

import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import runward
from runward.v1 import jobs_pb2

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def sync_rw(server):
    """Give an open synchronous client of the scripted server."""
    with runward.connect_sync(server.target, retry=runward.RetryPolicy(initial=0.01)) as client:
        yield client


def threads():
    """Give the threads of event loops that the client started."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("runward-")]


def watching(server, *statuses):
    """Make a handler of WatchJob that sends these statuses."""

    def answer(_request, _context):
        for revision, status in enumerate(statuses, start=1):
            yield jobs_pb2.WatchJobResponse(job=server.job(status, revision))

    return answer


def test_analyze_and_result_without_asyncio(server, sync_rw):
    """Calls block and give what the async client gives."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job()))
    server.on("WatchJob", watching(server, "RUNNING", "SUCCESS"))
    assert sync_rw.analyze("ocr", PNG).result == {"text": "hello"}
    assert sync_rw.result("job-1") == {"text": "hello"}


def test_watch_and_list_are_ordinary_iterators(server, sync_rw):
    """Both can be used in a for loop, to the end or not."""
    server.on("WatchJob", watching(server, "PENDING", "RUNNING", "SUCCESS"))
    server.on("ListJobs", lambda *_: jobs_pb2.ListJobsResponse(jobs=[server.job(), server.job()]))
    assert [job.status for job in sync_rw.watch("job-1")] == ["PENDING", "RUNNING", "SUCCESS"]
    assert len(list(sync_rw.list())) == 2


def test_leaving_a_watch_cancels_the_stream(server, sync_rw):
    """Closing the iterator leaves no stream behind on the server."""
    hang = server.hang(jobs_pb2.WatchJobResponse(job=server.job("RUNNING")))
    server.on("WatchJob", hang.stream)
    updates = sync_rw.watch("job-1")
    assert next(updates).status is runward.JobStatus.RUNNING
    updates.close()
    assert hang.left.wait(30)


def test_errors_are_the_same_exceptions(server, sync_rw):
    """A refusal raises the same class, in the calling thread."""
    server.on("GetJob", server.refusal("JOB_NOT_FOUND", grpc.StatusCode.NOT_FOUND))
    with pytest.raises(runward.ValidationError, match="JOB_NOT_FOUND"):
        sync_rw.get("job-1")
    with pytest.raises(FileNotFoundError):
        sync_rw.analyze("ocr", "/absent.png")


def test_many_threads_share_one_client(server, sync_rw):
    """Calls from several threads run at the same time over one connection."""
    everyone = threading.Barrier(8)

    def together(request, _context):
        everyone.wait(30)  # broken, and so an error, unless all eight calls are here at once
        return jobs_pb2.GetJobResponse(job=jobs_pb2.Job(id=request.job_id, status=jobs_pb2.JOB_STATUS_PENDING))

    server.on("GetJob", together)
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(sync_rw.get, map(str, range(8))))
    assert [job.id for job in jobs] == [str(number) for number in range(8)]


def test_closing_ends_calls_of_other_threads(server):
    """A call that waits in another thread when the client is closed raises; the thread of the loop is gone."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    with ThreadPoolExecutor(1) as pool, runward.connect_sync(server.target) as client:
        call = pool.submit(client.analyze, "ocr", PNG)
        assert hang.entered.wait(30)
        assert len(threads()) == 1
        client.close()
        assert threads() == []
        with pytest.raises(runward.RunwardError, match="closed"):
            call.result(30)


def test_closing_under_a_watch(server):
    """An iterator whose client was closed raises on its next step, and closes without complaint."""
    hang = server.hang(jobs_pb2.WatchJobResponse(job=server.job("RUNNING")))
    server.on("WatchJob", hang.stream)
    with runward.connect_sync(server.target) as client:
        left, gone = client.watch("job-1"), client.watch("job-1")
        next(left)
        next(gone)
    with pytest.raises(runward.RunwardError, match="closed"):
        next(left)
    gone.close()
    assert hang.left.wait(30)


def test_closed_client_says_so(server):
    """After its block the client refuses, and closing again does no harm."""
    with runward.connect_sync(server.target) as client:
        pass
    client.close()
    with pytest.raises(runward.RunwardError, match="closed"):
        client.server_info()
    with pytest.raises(runward.RunwardError, match="opened before"):
        client.__enter__()


def test_client_outside_its_block_says_how_to_use_it(server):
    """A client that was not opened says how to use it."""
    with pytest.raises(runward.RunwardError, match=r"with runward\.connect_sync"):
        runward.connect_sync(server.target).server_info()


def test_several_clients_in_one_process_are_quiet(server):
    """Event loops share one gRPC queue and wake one another: nothing of that is logged, and every call is answered."""
    server.on("GetServerInfo", lambda *_: jobs_pb2.GetServerInfoResponse(version="0.1.0"))
    program = f"""
import threading, runward

def ask():
    for _ in range(3):
        with runward.connect_sync("{server.target}") as rw:
            for _ in range(100):
                assert rw.server_info().version == "0.1.0"

threads = [threading.Thread(target=ask) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.calls("GetServerInfo") == 900


def test_sync_client_offers_all_that_the_async_one_does():
    """Both have the same methods with the same parameters, so that neither is forgotten."""

    def methods(kind):
        return {name for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}

    assert methods(runward.SyncClient) == methods(runward.Client)
