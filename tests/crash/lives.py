"""The kinds of lives of the crash matrix."""

from __future__ import annotations

from tests.crash.life import SUCCESS, Life
from tests.crash.plays import (
    analyze,
    analyze_again,
    analyze_at_once,
    analyze_fault,
    analyzed_once,
    cancel_pending,
    cancel_running,
    delete,
    disable,
    expire,
    expire_finished,
    finish_large,
    full_house,
    hang_up,
    heartbeat,
    lose_every_worker,
    lose_worker,
    nothing,
    occupy,
    progress,
    queue_up,
    retry,
    settle,
    submit,
    submit_again,
    submit_batch,
    submit_error,
    submit_large,
    submitted_once,
    time_out,
)
from tests.crash.scene import TARGETS

INTERRUPTED = ("INTERRUPTED",)
BY_A_CALLER = {"cut_ends": {"job": INTERRUPTED}}
"""The job of a caller that waits ends with the process that its caller waits at."""

STARTS = Life(
    "start and stop", "a service on a new folder starts and stops", nothing, {}, from_start=True, to_stop=True
)
HOUSE = {"running call": "INTERRUPTED", "waiting call": "INTERRUPTED", "running": SUCCESS, "waiting": SUCCESS}
ABANDONED = Life("abandoned", "", full_house, HOUSE, plugins=TARGETS, workers=3, abandoned=True)

LIVES = (
    STARTS,
    Life("analyze", "a caller waits for its job", analyze, {"job": SUCCESS}, **BY_A_CALLER),
    Life(
        "analyze in one commit",
        "creation, start and end of a caller's job share a commit",
        analyze_at_once,
        {"job": SUCCESS},
        defer_seconds=3600.0,
        **BY_A_CALLER,
    ),
    Life("analyze, raised", "the plugin raises anything else", analyze_fault, {"job": "PLUGIN_RAISED"}, **BY_A_CALLER),
    Life(
        "analyze, again",
        "a request id that was used",
        analyze_again,
        {"job": SUCCESS},
        prepare=analyzed_once,
        **BY_A_CALLER,
    ),
    Life(
        "caller hangs up", "the caller goes while its job runs", hang_up, {"job": "CANCELLED"}, workers=2, **BY_A_CALLER
    ),
    Life("submit", "a submitted job", submit, {"job": SUCCESS}),
    Life("submit, refused", "the plugin raises PluginError", submit_error, {"job": "PLUGIN_RAISED"}),
    Life("submit, again", "a request id that was used", submit_again, {"job": SUCCESS}, prepare=submitted_once),
    Life(
        "submit, large image",
        "a job whose image is a file is stored",
        submit_large,
        {"job": SUCCESS, "first": SUCCESS},
        prepare=occupy,
    ),
    Life(
        "submit, batch",
        "three jobs at once, one with a large image, are stored",
        submit_batch,
        {"job": SUCCESS, "second": SUCCESS, "third": SUCCESS, "first": SUCCESS},
        prepare=occupy,
    ),
    Life("progress", "the run reports progress", progress, {"job": SUCCESS}),
    Life(
        "cancelled, pending",
        "a waiting job is cancelled",
        cancel_pending,
        {"job": "CANCELLED", "first": SUCCESS},
        cut_ends={"job": (SUCCESS,)},
        prepare=occupy,
    ),
    Life(
        "cancelled, running",
        "a running job is cancelled",
        cancel_running,
        {"job": "CANCELLED"},
        cut_ends={"job": (SUCCESS,)},
        workers=2,
    ),
    Life("timed out", "a run takes too long", time_out, {"job": "TIMEOUT"}, workers=2),
    Life(
        "worker lost",
        "a run takes its worker with it, the next attempt succeeds",
        lose_worker,
        {"job": SUCCESS},
        cut_ends={"job": INTERRUPTED},
        lost_ends={"job": ("WORKER_LOST",)},
        workers=2,
    ),
    Life(
        "worker lost twice",
        "every attempt takes its worker with it",
        lose_every_worker,
        {"job": "WORKER_LOST"},
        cut_ends={"job": INTERRUPTED},
        workers=3,
    ),
    Life(
        "expired",
        "a job waits longer than its queue_timeout",
        expire,
        {"job": "QUEUE_TIMEOUT", "first": SUCCESS},
        cut_ends={"job": (SUCCESS,)},
        prepare=occupy,
    ),
    Life(
        "plugin disabled",
        "a job waits for a plugin that is disabled for a while",
        disable,
        {"job": SUCCESS, "first": SUCCESS},
        prepare=queue_up,
    ),
    Life(
        "heartbeat",
        "an idle worker is asked for signs of life",
        heartbeat,
        {},
        ping_seconds=0.1,
    ),
    Life(
        "retry",
        "a failed job's input is run again",
        retry,
        {"job": "PLUGIN_RAISED"},
        prepare=submit_error,
        twins=True,
    ),
    Life(
        "delete",
        "a finished job is erased with its image",
        delete,
        {"job": SUCCESS, "other": SUCCESS},
        prepare=finish_large,
        removes=("job",),
    ),
    Life(
        "retention",
        "finished jobs are removed, their time being over",
        expire_finished,
        {"job": SUCCESS, "other": SUCCESS},
        prepare=finish_large,
        removes=("job", "other"),
    ),
    Life(
        "drain",
        "the service stops with jobs running and waiting",
        nothing,
        HOUSE,
        plugins=TARGETS,
        workers=3,
        prepare=full_house,
        to_stop=True,
    ),
    Life(
        "recovery",
        "the service starts on what a killed one left",
        settle,
        HOUSE,
        cut_ends={"running": INTERRUPTED, "waiting": INTERRUPTED},
        lost_ends={"running": ("WORKER_LOST",)},
        plugins=TARGETS,
        workers=3,
        from_start=True,
        to_stop=True,
        legacy=ABANDONED,
    ),
)
