"""An Analyze that is answered from the cache: against the run that it replaces, and against a call and a commit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from PIL import Image

import runward
from runward.v1 import jobs_pb2
from tests.bench import calls
from tests.bench.figure import Figure, Target
from tests.bench.latency import TURNS, BareCommits
from tests.bench.statistics import percentile
from tests.demo.label import as_png, draw, make_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

NAME = "cache"
PLUGIN = "ocr"
FASTER = Target(20, at_least=True)
AIM = Target(1.8)
RUNS = 3
"""A round."""
PICTURE_BYTES = 5_000_000


class CachingError(Exception):
    """An answer did not come from where it should; the message tells which."""


class Round:
    """The latencies of one round, in milliseconds."""

    def __init__(self) -> None:
        self.run: list[float] = []
        self.echo: list[float] = []
        self.commit: list[float] = []
        self.cached: list[float] = []

    def faster(self) -> float:
        """Give how many times a run takes as long as an answer from the cache, by their p50."""
        return percentile(self.run, 0.5) / percentile(self.cached, 0.5)

    def against(self) -> float:
        """Give the p50 of an answer from the cache against the sum of those of an echo and a commit."""
        return percentile(self.cached, 0.5) / (percentile(self.echo, 0.5) + percentile(self.commit, 0.5))


def measure(setting: Setting) -> Sequence[Figure]:
    """Measure runs, then call, commit and answer in turns. Raises CachingError."""
    setting.say("a picture of 5 MB is run once")
    with runward.connect_sync(setting.server.address) as rw:
        digest = rw.analyze(PLUGIN, picture()).payload.image_digest
    cached = calls.analyze_stored(setting.server.address, PLUGIN, digest)
    run = calls.analyze_stored(setting.server.address, PLUGIN, digest, skip_cache=True)
    echo = calls.Call(setting.echo_address, calls.METHOD, cached.request)
    expect(setting, run, cached=False)
    commits = BareCommits(setting.server.folder)
    count = setting.scale.latency_calls // TURNS
    rounds: list[Round] = []
    for number in range(setting.scale.rounds):
        setting.say(f"answers from the cache, round {number + 1} of {setting.scale.rounds}")
        rounds.append(Round())
        rounds[-1].run += setting.load.closed(run, 1, calls=RUNS)["latencies"]
        for _ in range(TURNS):
            rounds[-1].echo += setting.load.closed(echo, 1, calls=count)["latencies"]
            rounds[-1].commit += commits.measure(count)
            rounds[-1].cached += setting.load.closed(cached, 1, calls=count)["latencies"]
    commits.close()
    expect(setting, cached, cached=True)
    return [
        Figure.of_rounds(NAME, "ocr of 5 MB / cached Analyze, p50", [each.faster() for each in rounds], "", FASTER),
        Figure.of_rounds(NAME, "cached / (echo + commit), p50", [each.against() for each in rounds], "", AIM),
        Figure.of_rounds(NAME, "ocr of 5 MB, p50", [percentile(each.run, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "echo, p50", [percentile(each.echo, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "bare commit (WAL, FULL), p50", [percentile(each.commit, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "cached Analyze, p50", [percentile(each.cached, 0.5) for each in rounds], "ms"),
        Figure.of_rounds(NAME, "cached Analyze, p99", [percentile(each.cached, 0.99) for each in rounds], "ms"),
    ]


def picture() -> bytes:
    """A parcel label on paper with so much grain that its PNG file has 5 MB."""
    source = random.Random(1)
    label = draw(make_label(source)).resize((1680, 900))
    while True:
        grain = Image.frombytes("RGB", label.size, source.randbytes(3 * label.width * label.height))
        data = as_png(Image.blend(label, grain, 0.2))
        if len(data) >= PICTURE_BYTES:
            return data
        label = label.resize((label.width * 11 // 10, label.height * 11 // 10))


def expect(setting: Setting, call: calls.Call, *, cached: bool) -> None:
    """See that a call is answered from the cache, or is not. Raises CachingError."""
    job = jobs_pb2.AnalyzeResponse.FromString(setting.load.one(call)).job
    if job.cached is not cached or not job.result.fields["text"].string_value:
        raise CachingError(f"job {job.id}: cached is {job.cached}, and its text {job.result.fields['text']}")
