"""Domain objects as messages of runward.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from runward.v1 import errors_pb2, governance_pb2, jobs_pb2, plugins_pb2
from runward_service.api.inline_image import LEN, varint
from runward_service.domain.receipt import document_of_job
from runward_service.domain.verification import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runward_service.domain.envelope import ErrorEnvelope
    from runward_service.domain.governance_report import CodeFinding, GovernanceReport
    from runward_service.domain.job import Job
    from runward_service.domain.receipt import Receipt
    from runward_service.domain.verification import Verification, VerificationCounters
    from runward_service.execution.plugin_catalog import PluginView

MICROSECONDS = 1_000_000
JOB_TAG = bytes([jobs_pb2.AnalyzeResponse.JOB_FIELD_NUMBER << 3 | LEN])
RESULT_TAG = bytes([jobs_pb2.Job.RESULT_FIELD_NUMBER << 3 | LEN])


def timestamp(time_us: int) -> Timestamp:
    """Microseconds since 1970 as a Timestamp."""
    seconds, rest = divmod(time_us, MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def duration(time_us: int) -> Duration:
    """Microseconds, not negative, as a Duration."""
    seconds, rest = divmod(time_us, MICROSECONDS)
    return Duration(seconds=seconds, nanos=rest * 1000)


def struct(mapping: Mapping[str, Any]) -> Struct:
    """A JSON-able mapping as a Struct."""
    message = Struct()
    message.update(mapping)
    return message


def envelope_to_proto(envelope: ErrorEnvelope) -> errors_pb2.ErrorEnvelope:
    """The public part of an envelope; what is internal has no field."""
    error = errors_pb2.Error(
        type=errors_pb2.ErrorType.Value(f"ERROR_TYPE_{envelope.error_type.name}"),
        reason=errors_pb2.ErrorReason.Value(f"ERROR_REASON_{envelope.reason.name}"),
        message=envelope.message,
        details=struct(envelope.details),
        plugin=envelope.plugin,
        timestamp=timestamp(envelope.time_us),
    )
    return errors_pb2.ErrorEnvelope(error=error)


def job_to_proto(job: Job) -> jobs_pb2.Job:
    """A job as it is sent."""
    message = jobs_pb2.Job()
    fill_job(message, job)
    return message


def fill_job(message: jobs_pb2.Job, job: Job) -> None:
    """Write a job into an empty message, so that one within another message need not be copied there."""
    fill_without_result(message, job)
    if job.result is not None:
        message.result.SetInParent()
        message.result.MergeFromString(job.result)


def fill_without_result(message: jobs_pb2.Job, job: Job) -> None:
    """Write all of a job but its result into an empty message."""
    message.id = job.id
    message.plugin = job.plugin
    message.plugin_version = job.plugin_version
    message.status = jobs_pb2.JobStatus.ValueType(job.status)
    message.attempt = job.attempt
    message.revision = job.revision
    message.output_digest = job.output_digest
    if job.labels:
        message.labels.update(job.labels)
    if job.request_id:
        message.request_id = job.request_id
    if job.priority:
        message.priority = job.priority
    if job.cached:
        message.cached = True
    set_time(message.create_time, job.create_time_us)
    if job.start_time_us:
        set_time(message.start_time, job.start_time_us)
    if job.end_time_us:
        set_time(message.end_time, job.end_time_us)
    payload = message.payload
    payload.image_digest = job.image.digest
    payload.size_bytes = job.image.size_bytes
    payload.mime_type = job.mime_type
    payload.options.SetInParent()
    if job.options:
        payload.options.update(job.options)
    if job.progress_fraction is not None:
        message.progress.fraction = job.progress_fraction
        message.progress.message = job.progress_message
    if job.retention_us or job.retry_of or job.artifacts or job.receipt:
        fill_rare_fields(message, job)
    if job.error is not None:
        message.error.CopyFrom(envelope_to_proto(job.error))


def fill_receipt(message: jobs_pb2.Receipt, job: Job, receipt: Receipt) -> None:
    """Write what attests the end of a job, which has its result."""
    message.document = document_of_job(job, receipt.key_id).data.decode()
    message.mac = receipt.mac.hex()
    message.key_id = receipt.key_id
    message.sequence = receipt.sequence
    message.chain_mac = receipt.chain_mac.hex()


def fill_rare_fields(message: jobs_pb2.Job, job: Job) -> None:
    """Write what few jobs have, and what few answers hold."""
    if job.receipt is not None:
        fill_receipt(message.receipt, job, job.receipt)
    message.retry_of = job.retry_of
    if job.retention_us:
        message.retention.CopyFrom(duration(job.retention_us))
    for artifact in job.artifacts:
        message.artifacts.add(
            name=artifact.name, digest=artifact.digest, size_bytes=artifact.size_bytes, mime_type=artifact.mime_type
        )


def job_message(job: Job) -> bytes:
    """A job as one message of WatchJob or WatchJobs, encoded: in both it is the first field."""
    return jobs_pb2.WatchJobResponse(job=job_to_proto(job)).SerializeToString()


def analyze_answer(job: Job) -> bytes:
    """A job as an AnalyzeResponse, encoded: the job is its first field. Its result, which may be large, goes in as it
    was encoded before.
    """
    message = jobs_pb2.Job()
    fill_without_result(message, job)
    parts = [message.SerializeToString()]
    if job.result is not None:
        parts += (RESULT_TAG, varint(len(job.result)), job.result)
    return b"".join((JOB_TAG, varint(sum(map(len, parts))), *parts))


def set_time(message: Timestamp, time_us: int) -> None:
    """Set a Timestamp to microseconds since 1970."""
    message.seconds, rest = divmod(time_us, MICROSECONDS)
    message.nanos = rest * 1000


def plugin_to_proto(view: PluginView) -> plugins_pb2.Plugin:
    """A plugin as it is sent."""
    entry, counters = view.entry, view.counters
    message = plugins_pb2.Plugin(
        name=entry.name,
        state=plugins_pb2.PluginState.Value(f"PLUGIN_STATE_{entry.state.name}"),
        state_reason=entry.state_reason,
        metrics=plugins_pb2.PluginMetrics(
            success_count=counters.success_count,
            error_count=counters.error_count,
            in_flight=entry.in_flight,
            queued=view.queued,
            cached_count=counters.cached_count,
        ),
    )
    fill_verifications(message.metrics, view.verifications)
    if counters.last_used_time_us:
        message.metrics.last_execution_duration.CopyFrom(duration(counters.last_us))
        message.metrics.mean_execution_duration.CopyFrom(duration(counters.mean_us))
        message.metrics.p50_execution_duration.CopyFrom(duration(counters.p50_us))
        message.metrics.p99_execution_duration.CopyFrom(duration(counters.p99_us))
        message.metrics.last_used_time.CopyFrom(timestamp(counters.last_used_time_us))
    if (description := entry.description) is not None:
        message.version = description.version
        message.code_digest = description.code_digest
        message.deterministic = description.deterministic
        message.cacheable = description.cacheable
        message.caching_disabled_reason = view.caching_disabled_reason
        message.description = description.description
        message.mime_types.extend(description.mime_types)
        message.options_schema.update(description.options_schema)
        message.limits.CopyFrom(
            plugins_pb2.PluginLimits(
                timeout=duration(description.timeout_us),
                memory_bytes=description.memory_bytes,
                concurrency=description.concurrency,
                max_attempts=description.max_attempts,
            )
        )
    return message


def fill_verifications(message: plugins_pb2.PluginMetrics, counters: VerificationCounters) -> None:
    """Write how verifications of a plugin's jobs ended."""
    message.reproducible_count = counters.reproducible_count
    message.diverged_count = counters.diverged_count
    message.unverifiable_count = counters.unverifiable_count
    if counters.diverged_count:
        message.last_divergence.job_id = counters.diverged_job
        message.last_divergence.path = counters.diverged_path
        set_time(message.last_divergence.time, counters.diverged_time_us)


def report_to_proto(
    report: GovernanceReport, plugin_code_digests: Mapping[str, str]
) -> governance_pb2.GetGovernanceReportResponse:
    """The report on the server's own code, with the code digests of its plugins, as it is sent."""
    message = governance_pb2.GetGovernanceReportResponse(
        attestation=governance_pb2.Attestation.Value(f"ATTESTATION_{report.attestation.name}"),
        reason=report.reason,
        scanner_version=report.scan.version,
        rules=report.scan.rules,
        code_digest=report.code_digest,
        file_digests=report.file_digests,
        findings=[finding_to_proto(finding) for finding in report.scan.findings],
        plugin_code_digests=plugin_code_digests,
    )
    for change in report.changes:
        message.changes.add(
            path=change.path,
            kind=governance_pb2.FileChangeKind.Value(f"FILE_CHANGE_KIND_{change.kind.name}"),
            expected_digest=change.expected,
            actual_digest=change.actual,
        )
    if report.scan.time_us:
        message.scan_time.CopyFrom(timestamp(report.scan.time_us))
    return message


def verification_to_proto(verification: Verification) -> governance_pb2.VerifyJobResponse:
    """What a verification found, as it is sent."""
    message = governance_pb2.VerifyJobResponse(
        verdict=governance_pb2.Verdict.Value(f"VERDICT_{verification.verdict.name}"),
        path=verification.path,
        reason=verification.reason,
    )
    for field, value in (("recorded", verification.recorded), ("observed", verification.observed)):
        if value is not ABSENT:
            getattr(message, field).CopyFrom(struct({"value": value}).fields["value"])
    return message


def finding_to_proto(finding: CodeFinding) -> governance_pb2.Finding:
    """One finding as it is sent."""
    message = governance_pb2.Finding(
        rule=finding.rule, path=finding.path, line=finding.line, column=finding.column, message=finding.message
    )
    for step in finding.steps:
        message.steps.add(path=step.path, line=step.line, column=step.column, note=step.note)
    return message
