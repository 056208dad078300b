"""The input rules, at both places: before a job is accepted, and again before its run."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, ErrorType
from runward_service.domain.image import StoredImage
from runward_service.domain.job import JobMode, JobStatus
from runward_service.domain.receipt_keys import ReceiptKey, ReceiptKeys
from runward_service.domain.receipt_signer import ReceiptSigner
from runward_service.runtime.result_cache import ResultCache
from runward_service.runtime.run_control import RunControl
from runward_service.runtime.tool_runner import ToolRunner
from runward_service.runtime.validation import MAX_IMAGE_BYTES
from tests.harness.service import JPEG_HEAD, PNG, analyze, ended, job_request, query, refusal, result_of, submit

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGINS = ("Echo", "Noop")
IMAGE_MISSING = ErrorReason.IMAGE_MISSING
MIME_TYPE_MISSING = ErrorReason.MIME_TYPE_MISSING
MIME_TYPE_MISMATCH = ErrorReason.MIME_TYPE_MISMATCH
MIME_TYPE_UNSUPPORTED = ErrorReason.MIME_TYPE_UNSUPPORTED
OPTIONS_INVALID = ErrorReason.OPTIONS_INVALID
SUPPORTED = ["image/png", "image/jpeg"]

BAD_IMAGES: list[tuple[Any, dict[str, Any]]] = [
    (b"", {}),
    (None, {"type": "NoneType"}),
    ("text", {"type": "str"}),
    (7, {"type": "int"}),
    ([137, 80], {"type": "list"}),
    (bytearray(PNG), {"type": "bytearray"}),
]
BAD_TYPES: list[tuple[Any, ErrorReason, dict[str, Any]]] = [
    ("", MIME_TYPE_MISSING, {}),
    ("  ", MIME_TYPE_MISSING, {}),
    (None, MIME_TYPE_MISSING, {}),
    (7, MIME_TYPE_MISSING, {}),
    (b"image/png", MIME_TYPE_MISSING, {}),
    ("image/gif", MIME_TYPE_UNSUPPORTED, {"declared": "image/gif", "supported": SUPPORTED}),
    ("text/plain", MIME_TYPE_UNSUPPORTED, {"declared": "text/plain", "supported": SUPPORTED}),
    ("image/pngx", MIME_TYPE_UNSUPPORTED, {"declared": "image/pngx", "supported": SUPPORTED}),
    ("image/jpeg", MIME_TYPE_MISMATCH, {"declared": "image/jpeg", "detected": "image/png"}),
]
BAD_OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    ({"count": -1}, {"path": "$.count", "rule": "properties/count/minimum"}),
    ({"count": 1.5}, {"path": "$.count", "rule": "properties/count/type"}),
    ({"count": "1"}, {"path": "$.count", "rule": "properties/count/type"}),
    ({"count": None}, {"path": "$.count", "rule": "properties/count/type"}),
    ({"colour": "red"}, {"path": "$", "rule": "additionalProperties"}),
    ([], {"path": "$", "rule": "type"}),
    ("text", {"path": "$", "rule": "type"}),
]


def stored(service: Service) -> list[tuple[Any, ...]]:
    """How much the store holds."""
    return query(service, "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM job_event), count(*) FROM image")


async def refused(service: Service, **fields: Any) -> Any:
    """The refusal that Analyze and SubmitJob share; neither stores anything."""
    before = stored(service)
    options = fields.pop("options", {})
    requests = [job_request("echo", mode=mode, **fields)._replace(options=options) for mode in JobMode]
    errors = [
        await refusal(service.analysis.analyze(requests[0])),
        await refusal(service.analysis.submit(requests[1])),
    ]
    assert stored(service) == before
    assert len({(error.reason, error.message, str(error.details)) for error in errors}) == 1
    assert errors[0].reason.error_type is ErrorType.VALIDATION_ERROR
    assert errors[0].plugin == "echo"
    return errors[0]


@pytest.mark.parametrize(("image", "details"), BAD_IMAGES)
async def test_an_image_must_be_present(service: Service, image: Any, details: dict[str, Any]) -> None:
    """Empty, missing or of another type than bytes: IMAGE_MISSING, and nothing is stored."""
    error = await refused(service, image=image)
    assert (error.reason, error.details) == (IMAGE_MISSING, details)


async def test_an_image_must_not_be_too_large(service: Service) -> None:
    """One byte over the limit is refused with both sizes."""
    error = await refused(service, image=PNG + bytes(MAX_IMAGE_BYTES + 1 - len(PNG)))
    assert error.reason is ErrorReason.IMAGE_TOO_LARGE
    assert error.details == {"size_bytes": MAX_IMAGE_BYTES + 1, "limit_bytes": MAX_IMAGE_BYTES}


@pytest.mark.parametrize(("mime_type", "reason", "details"), BAD_TYPES)
async def test_a_mime_type_must_be_real_and_supported(
    service: Service, mime_type: Any, reason: ErrorReason, details: dict[str, Any]
) -> None:
    """Missing, wrong-typed, not taken by the plugin, not what the bytes are: each its reason; nothing is stored."""
    error = await refused(service, mime_type=mime_type)
    assert (error.reason, error.details) == (reason, details)


@pytest.mark.parametrize("image", [b"hello, I am text", JPEG_HEAD, PNG[1:], b"\x89PNG\n"])
async def test_bytes_must_be_what_is_declared(service: Service, image: bytes) -> None:
    """Text, another image type, and cut or mended signatures do not pass as image/png."""
    error = await refused(service, image=image)
    assert error.reason is MIME_TYPE_MISMATCH
    assert error.details["declared"] == "image/png"


@pytest.mark.parametrize(("options", "details"), BAD_OPTIONS)
async def test_options_must_fit_the_schema(service: Service, options: Any, details: dict[str, Any]) -> None:
    """What the plugin's schema refuses is refused with the place and the rule, and nothing is stored."""
    error = await refused(service, options=options)
    assert (error.reason, error.details) == (OPTIONS_INVALID, details)


async def test_the_first_broken_rule_is_told(service: Service) -> None:
    """Where all is wrong the image comes first, then its type, then the options: one envelope, not three."""
    error = await refused(service, image=b"", mime_type="", options={"count": -1})
    assert error.reason is IMAGE_MISSING
    error = await refused(service, mime_type="", options={"count": -1})
    assert error.reason is MIME_TYPE_MISSING


async def test_what_fits_runs(service: Service) -> None:
    """Valid input of each supported type and options at their limits reach the plugin as they were sent, integers as
    int.
    """
    job = await analyze(service, "echo", {"count": 0, "word": ""})
    assert result_of(job)["option_types"] == {"count": "int", "word": "str"}
    job = await analyze(service, "echo", image=JPEG_HEAD, mime_type="image/jpeg")
    assert result_of(job)["mime_type"] == "image/jpeg"
    assert result_of(job)["size"] == len(JPEG_HEAD)


async def test_an_unknown_plugin_stores_nothing(service: Service) -> None:
    """PLUGIN_NOT_FOUND lists what there is."""
    before = stored(service)
    error = await refusal(submit(service, "nothing"))
    assert (error.reason, error.plugin) == (ErrorReason.PLUGIN_NOT_FOUND, "nothing")
    assert error.details == {"plugins": ["echo", "noop"]}
    assert stored(service) == before


@pytest.mark.parametrize("timeout_us", [-1, 10_000_001])
async def test_a_timeout_must_be_within_the_plugins(service: Service, timeout_us: int) -> None:
    """Negative or longer than the plugin's is refused with the limit; the plugin's own is the default."""
    error = await refused(service, timeout_us=timeout_us)
    assert (error.reason, error.details) == (ErrorReason.TIMEOUT_INVALID, {"limit_seconds": 10.0})
    assert (await analyze(service, "echo")).timeout_us == 10_000_000
    assert (await analyze(service, "echo", timeout_us=9_999_999)).timeout_us == 9_999_999


def bad_job(good: Job, image: Any = PNG, mime_type: Any = "image/png", options: Any = None) -> Job:
    """A job with a payload that was never admitted."""
    size = len(image) if isinstance(image, bytes) else 1
    digest = f"sha256:{hashlib.sha256(image if isinstance(image, bytes) else b'').hexdigest()}"
    return good._replace(
        id=str(uuid.uuid4()),
        status=JobStatus.PENDING,
        owner="",
        image=StoredImage(digest, size, data=image),
        mime_type=mime_type,
        options={} if options is None else options,
        attempt=0,
        start_time_us=0,
        end_time_us=0,
        result=None,
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        *[({"image": image}, IMAGE_MISSING) for image, _ in BAD_IMAGES if isinstance(image, bytes | str | list)],
        *[({"mime_type": mime_type}, reason) for mime_type, reason, _ in BAD_TYPES],
        *[({"options": options}, OPTIONS_INVALID) for options, _ in BAD_OPTIONS],
        ({"image": b"hello, I am text"}, MIME_TYPE_MISMATCH),
    ],
)
async def test_tool_runner_checks_again(service: Service, payload: dict[str, Any], reason: ErrorReason) -> None:
    """ToolRunner itself refuses each of these: an envelope, no run, no state touched."""
    good = await submit(service, "echo")
    job = bad_job(await ended(service, good.id), **payload)
    state = (await service.registry.resolve("echo")).state
    cache = ResultCache(service.kept_results, enabled=True)
    signer = ReceiptSigner(ReceiptKeys([ReceiptKey(bytes(32))]))
    outcome = await ToolRunner(service.registry, service.pool, cache, signer).run(job, RunControl())
    assert outcome.envelope is not None
    assert (outcome.envelope.reason, outcome.ran, outcome.result) == (reason, False, None)
    assert outcome.envelope.error_type is ErrorType.VALIDATION_ERROR
    assert outcome.envelope.plugin == "echo"
    assert (await service.registry.resolve("echo")).state is state


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"mime_type": "image/gif"}, MIME_TYPE_UNSUPPORTED),
        ({"mime_type": "image/jpeg"}, MIME_TYPE_MISMATCH),
        ({"image": b"hello, I am text"}, MIME_TYPE_MISMATCH),
        ({"options": {"count": -1}}, OPTIONS_INVALID),
    ],
)
async def test_a_stored_payload_that_is_bad_ends_its_job(
    service: Service, payload: dict[str, Any], reason: ErrorReason
) -> None:
    """A PENDING row whose payload breaks a rule (written by an older schema, say) is claimed and ends FAILED with that
    rule.
    """
    good = await submit(service, "echo")
    job = bad_job(await ended(service, good.id), **payload)
    await service.store.create_job(job, deferred=False)
    service.scheduler.job_stored("echo")
    found = await ended(service, job.id)
    assert found.error is not None
    assert (found.status, found.error.reason) == (JobStatus.FAILED, reason)


@pytest.mark.parametrize("payload", [{"image": b""}, {"mime_type": ""}])
async def test_the_store_refuses_what_is_empty(service: Service, payload: dict[str, Any]) -> None:
    """An empty image or mime type cannot even become a row."""
    good = await submit(service, "echo")
    job = bad_job(await ended(service, good.id), **payload)
    with pytest.raises(sqlite3.IntegrityError):
        await service.store.create_job(job, deferred=False)
    assert query(service, "SELECT count(*) FROM job WHERE id = ?", job.id) == [(0,)]
