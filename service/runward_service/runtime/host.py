"""The host process of a worker: loads one plugin, then runs it for one job after another, as the service asks."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.domain import violation
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.plugins.base import InvalidInput, Payload, PluginError, RunContext
from runward_service.plugins.loader import PluginUnusable, absent_requirements, describe, load_plugin_class, told
from runward_service.runtime.child_watch import ChildWatch
from runward_service.runtime.frames import HEADER, decode_meta, encode_frame, encode_result_frame
from runward_service.runtime.given_artifacts import GivenArtifacts
from runward_service.runtime.loaded_code import loaded_digests
from runward_service.runtime.result_codec import encode_result, output_digest
from runward_service.runtime.run_image import run_image
from runward_service.runtime.seeds import seed_generators
from runward_service.runtime.tool_runner import ToolRunner
from runward_service.runtime.validation import validate_output
from runward_service.runtime.violation_relay import ViolationRelay
from runward_service.runtime.work_folder import WorkFolder

if TYPE_CHECKING:
    import socket

    from runward_service.plugins.base import Plugin

NICENESS = 5
OOM_SCORE = "500"
PROGRESS_SECONDS = 0.25
PROGRESS_THREAD = "runward-progress"
MAX_MESSAGE = 2_000
MAX_DETAILS = 64_000
MAX_TRACEBACK = 100_000
MAX_PROGRESS_MESSAGE = 500
GOVERNED_PACKAGE = "runward_service"


def serve(target: str, connection: socket.socket, keeper: int, limit_pipe: int, folder: str) -> None:
    """Describe the plugin, set it up, run it until the service closes the connection.

    ``folder`` is the worker's own, which its keeper made.
    """
    # The service's loop and its callers come first: they are not interrupted when a worker gets something to do.
    os.nice(NICENESS)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    Host(connection, keeper, WorkFolder(folder)).serve(target, limit_pipe)


class Host:
    """One plugin instance and its connection to the service."""

    def __init__(self, connection: socket.socket, keeper: int, folder: WorkFolder) -> None:
        """Talk over a connected socket; ``keeper`` is the parent's process id; runs start in the folder."""
        self._folder = folder
        self._connection = connection
        self._reader = connection.makefile("rb", 512 * 1024)
        self._lock = threading.Lock()
        self._keeper = keeper
        self._progress: ProgressReporter | None = None
        self._job_id = ""
        self._stdout = sys.stdout
        self._violations = ViolationRelay(self._send)
        violation.logger.addHandler(self._violations)

    def serve(self, target: str, limit_pipe: int) -> None:
        """Load, describe, set up, then run jobs until the connection ends."""
        try:
            plugin_class = load_plugin_class(target)
            description = describe(plugin_class)
            absent = absent_requirements(plugin_class)  # empty, or what to install
        except PluginUnusable as error:
            self._send({"type": "unavailable", "message": str(error), "traceback": traceback_of(error)})
            return
        os.write(limit_pipe, b"%d" % description.memory_bytes)
        os.close(limit_pipe)
        limit = 2 * description.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        loaded = loaded_digests({GOVERNED_PACKAGE})
        self._send({"type": "described", "description": description.to_message(), "absent": absent, "loaded": loaded})
        if absent:
            return
        try:
            plugin = plugin_class()
            plugin.setup()
        except BaseException as error:  # noqa: BLE001 - whatever setup raises makes the plugin unavailable
            message = f"setup failed: {told(error)}"
            self._send({"type": "unavailable", "message": message, "traceback": traceback_of(error), "passing": True})
            return
        self._send({"type": "ready"})
        self._run_jobs(plugin, description.memory_bytes)

    def _run_jobs(self, plugin: Plugin, memory_bytes: int) -> None:
        self._folder.begin_runs()
        children = ChildWatch(self._keeper, PROGRESS_THREAD)
        kind = type(plugin)
        gc.freeze()  # what setup loaded is not looked at again
        while (message := self._receive()) is not None:
            meta, body = message
            if meta["type"] == "ping":
                self._send({"type": "pong"})
                continue
            answer, result = self._run_job(plugin, meta, body)
            self._job_id = ""
            if children.outgrew(memory_bytes):
                answer, result = failure_of(MemoryError("in a child")) | {"duration_us": answer["duration_us"]}, b""
            if self._progress is not None:
                self._progress.stop()
            signal.alarm(0)
            spoilt = answer.get("reason") == ErrorReason.MEMORY_LIMIT.value
            is_another = type(plugin) is not kind  # it would be another plugin that runs from now on
            tainted = children.changed() or spoilt or is_another or not self._folder.clean()
            answer["job_id"], answer["tainted"] = meta["job_id"], tainted
            with contextlib.suppress(Exception):  # the plugin may have closed or replaced it
                self._stdout.flush()
            self._send(answer, result)
            if tainted:
                self._reader.read()  # runs that were sent ahead are made elsewhere
                return

    def _run_job(self, plugin: Plugin, meta: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._job_id = meta["job_id"]
        self._violations.begin_job(meta["job_id"])
        report = functools.partial(self._report_progress, meta["job_id"])
        artifacts = GivenArtifacts(meta["job_id"], self._send)
        context = RunContext(meta["job_id"], meta["attempt"], report, artifacts.give)
        start = time.perf_counter_ns()
        try:
            self._folder.enter()
            if plugin.deterministic:
                seed_generators(meta["seed"])
            payload = Payload(run_image(meta, body), meta["mime_type"], meta["options"])
            output = ToolRunner.run_plugin(plugin, payload, context)
            result = encode_result(output)
            answer: dict[str, Any] = {"type": "result", "digest": output_digest(output)}
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt of a plugin are its failures too
            result = b""
            answer = failure_of(error, plugin.retry_on)
        artifacts.end()
        answer["duration_us"] = (time.perf_counter_ns() - start) // 1000
        return answer, result

    def _report_progress(self, job_id: str, fraction: float, message: str) -> None:
        if job_id != self._job_id:
            return  # a thread of an earlier run
        if self._progress is None:
            self._progress = ProgressReporter(self._send)
        self._progress.report(job_id, fraction, readable(str(message), MAX_PROGRESS_MESSAGE))

    def _send(self, meta: dict[str, Any], body: bytes = b"") -> None:
        frame = encode_result_frame(meta, body) if meta["type"] == "result" else encode_frame(meta, body)
        with self._lock:
            self._connection.sendall(frame)

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        header = self._reader.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        meta_size, body_size = HEADER.unpack(header)
        return decode_meta(self._reader.read(meta_size)), self._reader.read(body_size)


def failure_of(error: BaseException, retry_on: tuple[type[Exception], ...] = ()) -> dict[str, Any]:
    """What the service is told of a run that raised; ``retry_on`` names what may be tried again. Only what the plugin
    or a rule meant for the caller is in its message.
    """
    reason = ErrorReason.PLUGIN_RAISED
    message: object = ""
    details: object = {}
    if isinstance(error, GovernedError):
        reason, message, details = error.reason, error.message, error.details
    elif isinstance(error, PluginError):
        # A subclass may not have called its parent's __init__.
        message, details = getattr(error, "message", ""), getattr(error, "details", {})
        if isinstance(error, InvalidInput):
            reason = ErrorReason.INPUT_REJECTED
    elif isinstance(error, MemoryError):
        reason = ErrorReason.MEMORY_LIMIT
    return {
        "type": "failure",
        "reason": reason.value,
        "retryable": reason is ErrorReason.PLUGIN_RAISED
        and isinstance(error, retry_on)
        and not isinstance(error, violation.GovernanceViolation),
        "message": readable(message, MAX_MESSAGE) if isinstance(message, str) else "",
        "details": details if fits_json(details) else {},
        "traceback": readable(traceback_of(error), MAX_TRACEBACK),
    }


def readable(text: str, limit: int) -> str:
    """A text cut to a length, without what no message can hold."""
    return text[:limit].encode(errors="backslashreplace").decode()


def traceback_of(error: BaseException) -> str:
    """The traceback, its end where it is long; without the error's text where that cannot be had."""
    try:
        return "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    except Exception:  # noqa: BLE001 - the plugin's own __str__ may raise anything
        return "".join(traceback.format_tb(error.__traceback__))[-MAX_TRACEBACK:] + type(error).__name__


def fits_json(details: object) -> bool:
    """Whether a plugin's details can be sent, and are not too much to be kept."""
    try:
        validate_output(details)
        return len(json.dumps(details)) <= MAX_DETAILS
    except Exception:  # noqa: BLE001 - a mapping of the plugin's own may raise anything
        return False


class ProgressReporter:
    """Sends progress at most four times a second, from a thread that waits between; while the run goes on, the latest
    report always follows.
    """

    def __init__(self, send: Any) -> None:
        """Send through a function that takes a message's meta."""
        self._send = send
        self._latest: dict[str, Any] | None = None
        self._wake = threading.Condition()
        threading.Thread(target=self._main, name=PROGRESS_THREAD, daemon=True).start()

    def report(self, job_id: str, fraction: float, message: str) -> None:
        """Take the latest report, which replaces one that was not sent yet."""
        with self._wake:
            self._latest = {"type": "progress", "job_id": job_id, "fraction": fraction, "message": message}
            self._wake.notify()

    def stop(self) -> None:
        """Drop what was not sent: the run is over."""
        with self._wake:
            self._latest = None

    def _main(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._latest is not None)
                latest, self._latest = self._latest, None
            if latest is not None:
                try:
                    self._send(latest)
                except OSError:
                    return
                time.sleep(PROGRESS_SECONDS)
