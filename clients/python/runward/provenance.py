"""Provenance: an in-toto statement of a job's end, which whoever has the server's receipt key can verify without the
server.

Uses nothing but the standard library, and none of the server's code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runward.errors import RunwardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runward.job import Job, Receipt

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:runward:run:1"
RECEIPT_TYPE = "application/vnd.runward.receipt+json"
KEY_PREFIX = b"runward.receipt-key/1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProvenanceError(RunwardError):
    """A statement cannot be made, or is none that can be verified; the message tells why."""


def statement_of(job: Job) -> dict[str, Any]:
    """Give the statement of a finished job, as `rw.get` gives it. Raises ProvenanceError where it has no receipt."""
    if job.receipt is None:
        raise ProvenanceError("This job has no receipt: it has not ended, or ended before there were receipts.")
    return statement_of_receipt(job.receipt)


def statement_of_receipt(receipt: Receipt) -> dict[str, Any]:
    """Give the statement that a receipt bears out: all of it follows from the receipt's document."""
    return _statement(json.loads(receipt.document), receipt.document.encode(), receipt.key_id, receipt.mac)


def verify_statement(statement: Mapping[str, Any], secrets: Sequence[bytes]) -> list[str]:
    """Compare a statement with the receipt in it, and the receipt with the keys; the differences, none where it holds.

    Raises ProvenanceError for what holds no receipt, or one of a key that is not among `secrets`.
    """
    data, key_id, mac = _receipt_in(statement)
    secret = {key_id_of(secret): secret for secret in secrets}.get(key_id)
    if secret is None:
        raise ProvenanceError(f"The receipt was made with key {key_id}, which is not at hand.")
    found = hmac.new(secret, data, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(found.encode(), mac.encode()):
        return ["the receipt is not what the server signed"]
    return list(_differences("$", _statement(json.loads(data), data, key_id, mac), statement))


def read_secrets(text: str) -> list[bytes]:
    """Read a file of receipt keys: 64 hexadecimal digits a line. Raises ProvenanceError where it holds none."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        secrets = [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]
    except ValueError as error:
        raise ProvenanceError(f"This is no file of receipt keys: {error}.") from error
    if not secrets:
        raise ProvenanceError("This file holds no receipt key.")
    return secrets


def key_id_of(secret: bytes) -> str:
    """Give the id of a key."""
    return hashlib.sha256(KEY_PREFIX + secret).hexdigest()[:16]


def _statement(told: dict[str, Any], data: bytes, key_id: str, mac: str) -> dict[str, Any]:
    job, plugin, outcome, times = told["job"], told["plugin"], told["outcome"], told["times"]
    failed = outcome["status"] == "FAILED"
    subject = {"name": "error" if failed else "result"}
    subjects = [{**subject, "digest": _digest(told["error"] if failed else told["output"]["digest"])}]
    subjects += [{"name": f"artifacts/{one['name']}", "digest": _digest(one["digest"])} for one in told["artifacts"]]
    image = {"name": "image", "digest": _digest(told["input"]["digest"]), "mediaType": told["input"]["mime_type"]}
    code = [{"name": "code", "digest": _digest(plugin["code_digest"])}] if plugin["code_digest"] else []
    content = base64.b64encode(data).decode()
    annotations = {"key_id": key_id, "mac": mac}
    receipt = {"name": "receipt", "mediaType": RECEIPT_TYPE, "content": content, "annotations": annotations}
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "options": {"digest": _digest(told["options"])},
                    "plugin": plugin["name"],
                    "request": told["request"],
                    "version": plugin["version"],
                },
                "internalParameters": {**job, **outcome},
                "resolvedDependencies": [image, *code],
            },
            "runDetails": {
                "builder": {"id": f"urn:runward:receipt-key:{told['key_id']}"},
                "metadata": {
                    "invocationId": job["id"],
                    "startedOn": _time(times["start_us"]),
                    "finishedOn": _time(times["end_us"]),
                },
                "byproducts": [receipt],
            },
        },
    }


def _digest(text: str) -> dict[str, str]:
    """Give "sha256:<hex>" as in-toto writes it."""
    algorithm, _, value = text.partition(":")
    return {algorithm: value}


def _time(time_us: int) -> str:
    return (EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _receipt_in(statement: Mapping[str, Any]) -> tuple[bytes, str, str]:
    """Give a statement's receipt, the id of the key that made it, and its MAC."""
    try:
        byproducts = statement["predicate"]["runDetails"]["byproducts"]
        (found,) = [one for one in byproducts if one["name"] == "receipt"]
        annotations = found["annotations"]
        return base64.b64decode(found["content"], validate=True), str(annotations["key_id"]), str(annotations["mac"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ProvenanceError("This is no statement that Runward made: it holds no receipt.") from error


def _differences(path: str, signed: Any, stated: Any) -> Iterator[str]:
    """Tell where a statement is not what its receipt bears out."""
    if isinstance(signed, dict) and isinstance(stated, dict):
        for name in sorted(signed.keys() | stated.keys()):
            if name not in stated or name not in signed:
                yield f"{path}.{name} is {'missing' if name in signed else 'not of the receipt'}"
            else:
                yield from _differences(f"{path}.{name}", signed[name], stated[name])
    elif isinstance(signed, list) and isinstance(stated, list) and len(signed) == len(stated):
        for place, (one, other) in enumerate(zip(signed, stated, strict=True)):
            yield from _differences(f"{path}[{place}]", one, other)
    elif signed != stated or isinstance(signed, bool) != isinstance(stated, bool):
        yield f"{path} is {json.dumps(stated)}, and was signed as {json.dumps(signed)}"
