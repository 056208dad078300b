"""The requests that the benchmark makes, as bytes."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct
from grpc_health.v1 import health_pb2

from runward.v1 import jobs_pb2, plugins_pb2
from tests.bench.child_program import Call
from tests.bench.echo import COUNT, METHOD, TAKE
from tests.bench.load import STAMP

IMAGE_BYTES = 1024
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
EXECUTION = "/runward.v1.ExecutionService/"
PLUGINS = "/runward.v1.PluginService/"
HEALTH = "/grpc.health.v1.Health/Check"


def image(size: int = IMAGE_BYTES) -> bytes:
    """Make what passes for a PNG image of so many bytes as long as nobody decodes it, with a place for a stamp."""
    filler = bytes(range(256)) * (size // 256)
    return (PNG_MAGIC + STAMP + filler)[:size]


def payload(content: bytes, **options: float) -> jobs_pb2.Payload:
    """Make a payload."""
    struct = Struct()
    struct.update(options)
    return jobs_pb2.Payload(image=content, mime_type="image/png", options=struct if options else None)


def analyze(target: str, plugin: str = "noop", content: bytes | None = None) -> Call:
    """Make a call of Analyze, each time with another image."""
    request = jobs_pb2.AnalyzeRequest(plugin=plugin, payload=payload(image() if content is None else content))
    return Call(target, f"{EXECUTION}Analyze", request.SerializeToString())


def analyze_stored(target: str, plugin: str, digest: str, *, skip_cache: bool = False) -> Call:
    """Make a call of Analyze with a stored image, always the same."""
    stored = jobs_pb2.Payload(image_digest=digest, mime_type="image/png")
    request = jobs_pb2.AnalyzeRequest(plugin=plugin, payload=stored, skip_cache=skip_cache)
    return Call(target, f"{EXECUTION}Analyze", request.SerializeToString())


def submit(target: str, plugin: str = "noop", **options: float) -> Call:
    """Make a call of SubmitJob, each time with another image."""
    request = jobs_pb2.SubmitJobRequest(plugin=plugin, payload=payload(image(), **options))
    return Call(target, f"{EXECUTION}SubmitJob", request.SerializeToString())


def batch(target: str, plugin: str, jobs: int, **options: float) -> Call:
    """Make a call of BatchSubmitJobs, each time with other images, no two of them alike."""
    request = jobs_pb2.BatchSubmitJobsRequest()
    for number in range(jobs):
        content = image()[:-4] + number.to_bytes(4)
        request.requests.append(jobs_pb2.SubmitJobRequest(plugin=plugin, payload=payload(content, **options)))
    return Call(target, f"{EXECUTION}BatchSubmitJobs", request.SerializeToString())


def get_job(target: str, job_id: str) -> Call:
    """Make a call of GetJob."""
    return Call(target, f"{EXECUTION}GetJob", jobs_pb2.GetJobRequest(job_id=job_id).SerializeToString())


def list_jobs(target: str, *statuses: jobs_pb2.JobStatus.ValueType) -> Call:
    """Make a call of ListJobs for the newest page, of jobs in these statuses or in any."""
    request = jobs_pb2.ListJobsRequest(statuses=statuses)
    return Call(target, f"{EXECUTION}ListJobs", request.SerializeToString())


def watch_job(target: str, job_id: str) -> Call:
    """Make a stream of WatchJob."""
    return Call(target, f"{EXECUTION}WatchJob", jobs_pb2.WatchJobRequest(job_id=job_id).SerializeToString())


def get_plugin(target: str, plugin: str = "noop") -> Call:
    """Make a call of GetPlugin."""
    return Call(target, f"{PLUGINS}GetPlugin", plugins_pb2.GetPluginRequest(plugin=plugin).SerializeToString())


def metrics(answer: bytes) -> plugins_pb2.PluginMetrics:
    """Read the metrics in the answer of GetPlugin."""
    return plugins_pb2.GetPluginResponse.FromString(answer).plugin.metrics


def check_health(target: str) -> Call:
    """Make a call of the standard health check."""
    return Call(target, HEALTH, health_pb2.HealthCheckRequest().SerializeToString())


def echo(target: str) -> Call:
    """Make a call of the echo, with the bytes of an Analyze."""
    return Call(target, METHOD, analyze(target).request)


def echo_count(target: str) -> Call:
    """Make a call that tells how often the echo answered."""
    return Call(target, COUNT, b"")


def take(target: str, content: bytes) -> Call:
    """Make a call of the server that only takes a request, with the bytes of an Analyze."""
    return Call(target, TAKE, analyze(target, content=content).request)
