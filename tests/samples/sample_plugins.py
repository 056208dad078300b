"""Plugins that tests and benchmarks run: well-behaved, failing, and hostile ones."""

from __future__ import annotations

import ctypes
import json
import logging
import logging.config
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from runward_service.plugins import InvalidInput, Payload, Plugin, PluginError, RunContext
from runward_service.plugins.guard import Permit
from runward_service.runtime.tool_runner import ToolRunner

ANY = {"type": "object"}


class Noop(Plugin):
    """Does nothing."""

    name = "noop"
    version = "1.0.0"
    description = "Does nothing."
    mime_types = ("*/*",)
    options_schema = ANY

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {}


class Echo(Plugin):
    """Tells what it was given."""

    name = "echo"
    version = "2.1.0"
    description = "Tells what it was given."
    mime_types = ("image/png", "image/jpeg")
    options_schema = {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 0}, "word": {"type": "string"}},
        "additionalProperties": False,
    }
    timeout = 10.0

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {
            "size": len(payload.image),
            "mime_type": payload.mime_type,
            "options": dict(payload.options),
            "option_types": {key: type(value).__name__ for key, value in payload.options.items()},
            "job_id": context.job_id,
            "attempt": context.attempt,
            "pid": os.getpid(),
        }


class Giver(Plugin):
    """Gives files back, by names and sizes, all their bytes the image's last one; then ends as it is told."""

    name = "giver"
    version = "1.0.0"
    description = "Gives files back."
    mime_types = ("*/*",)
    options_schema = ANY
    cacheable = True

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        files, end = payload.options["files"], payload.options.get("end", "")
        for name, size in files:
            context.artifact(name, payload.image[-1:] * size, "application/octet-stream")
        if end == "raise":
            raise PluginError("It broke after all.")
        if end == "exit":
            os._exit(3)
        if end == "leave a process":
            subprocess.Popen(["sleep", "1000"])
        return {"given": len(files)}


class LateGiver(Plugin):
    """Gives a file back when its next run is under way, from a thread that the one before left."""

    name = "late_giver"
    mime_types = ("*/*",)
    options_schema = ANY

    def setup(self) -> None:
        self._before: RunContext | None = None

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        problem = ""
        if self._before is not None:
            try:
                self._before.artifact("late.txt", b"late", "text/plain")
            except RuntimeError as error:
                problem = str(error)
        self._before = context
        return {"problem": problem}


class Decode(Plugin):
    """Decodes its image."""

    name = "decode"
    description = "Decodes its image."
    mime_types = ("image/*",)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        width, height = payload.open_image().size
        return {"width": width, "height": height}


class Spin(Plugin):
    """Keeps a core busy for some seconds."""

    name = "spin"
    description = "Keeps a core busy."
    mime_types = ("*/*",)
    options_schema = ANY
    concurrency = 6
    timeout = 60.0

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        end = time.monotonic() + payload.options.get("seconds", 10)
        while time.monotonic() < end:
            pass
        return {}


class Nap(Plugin):
    """Takes its time and no processor; two at once."""

    name = "nap"
    description = "Sleeps."
    mime_types = ("*/*",)
    options_schema = {"type": "object", "properties": {"seconds": {"type": "number", "minimum": 0}}}
    concurrency = 2

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        time.sleep(payload.options.get("seconds", 0.05))
        return {}


class Returns(Plugin):
    """Returns what its option ``output`` names."""

    name = "returns"
    description = "Returns valid and invalid outputs."
    mime_types = ("*/*",)
    options_schema = ANY

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        deep: dict[str, Any] = {}
        for _ in range(payload.options.get("depth", 1) - 1):
            deep = {"deeper": deep}
        cyclic: dict[str, Any] = {}
        cyclic["self"] = cyclic
        outputs: dict[str, Any] = {
            "none": None,
            "str": "text",
            "list": [1],
            "number": 3,
            "bytes": {"x": b"bytes"},
            "set": {"x": {1}},
            "nan": {"x": {"y": [float("nan")]}},
            "infinity": {"x": float("inf")},
            "int_key": {"x": {1: 2}},
            "surrogate": {"x": "\ud800"},
            "huge_int": {"x": 2**53 + 1},
            "huge_exact_int": {"x": 2**60},
            "deep": deep,
            "cyclic": cyclic,
            "large": {"x": "y" * payload.options.get("size", 0)},
            "nested": {"a": {"b": [1, 2.5, None, True, "c"]}, "e": {}, "l": []},
        }
        return outputs[payload.options["output"]]  # type: ignore[no-any-return]


class Fails(Plugin):
    """Raises what its option ``how`` names."""

    name = "fails"
    description = "Raises."
    mime_types = ("*/*",)
    options_schema = ANY

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        how = payload.options.get("how")
        if how == "plugin_error":
            raise PluginError("The lamp is broken.", {"lamp": 7})
        if how == "invalid_input":
            raise InvalidInput("The page is blank.", {"page": 1})
        if how == "exit":
            sys.exit(3)
        if how == "succeed":
            return {}
        raise RuntimeError("password=hunter2")


class CarelessError(PluginError):
    """Does not call its parent's __init__, and has no text."""

    def __init__(self) -> None:
        pass

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Surrogate(Plugin):
    """Its setup fails with a text that no message can hold; its description holds such a text too."""

    name = "surrogate"
    description = "cannot open \udcff"

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {}


class Hostile(Plugin):
    """Harms its worker in the way that its option ``how`` names."""

    name = "hostile"
    description = "Harms its worker."
    mime_types = ("*/*",)
    options_schema = ANY
    timeout = 20.0
    memory_bytes = 192 * 1024 * 1024
    max_attempts = 2

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        how = payload.options.get("how", "succeed")
        if how == "segfault":
            ctypes.string_at(0)
        elif how == "os_exit":
            os._exit(0)
        elif how == "memory":
            hog = []
            while True:
                hog.append(bytearray(16 * 1024 * 1024))
        elif how == "memory_at_once":
            return {"size": len(b"x" * (4 * 1024**3))}
        elif how == "child_memory":
            code = "x = []\nwhile True: x.append(bytearray(8 << 20))"
            subprocess.run([sys.executable, "-c", code], check=False)
        elif how == "close_descriptors":
            os.closerange(0, 65536)
        elif how == "setsid_child":
            start_orphan(payload.options["pid_file"])
        elif how == "setsid_child_and_hang":
            start_orphan(payload.options["pid_file"])
            hang()
        elif how == "hang":
            hang()
        elif how == "kill_keeper":
            start_orphan(payload.options["pid_file"])
            os.kill(os.getppid(), signal.SIGKILL)
            hang()
        elif how == "close_stdout":
            sys.stdout.close()
        elif how == "bad_error":
            raise CarelessError
        elif how == "odd_details":
            raise PluginError("The lamp is broken.", {"lamp": {1, 2}})
        elif how == "leave_thread":
            threading.Thread(target=hang, daemon=True).start()
        elif how == "alarm":
            signal.alarm(1)
        elif how == "print":
            for _ in range(100_000):
                print("noise " * 20)
        return {"how": how, "pid": os.getpid()}


def start_orphan(pid_file: str) -> None:
    """Leave a process behind that is in a session of its own and whose parent is gone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(pid_file).write_text(str(os.getpid()))
            hang()
        os._exit(0)
    os.wait()
    while not Path(pid_file).exists() or not Path(pid_file).read_text():
        time.sleep(0.001)


def hang() -> None:
    """Never return."""
    while True:
        time.sleep(60)


class FailsOnce(Plugin):
    """Loses its worker in the first attempt."""

    name = "fails_once"
    description = "Loses its worker in the first attempt."
    mime_types = ("*/*",)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if context.attempt == 1:
            os._exit(9)
        return {"attempt": context.attempt}


class Progressing(Plugin):
    """Reports progress a thousand times."""

    name = "progressing"
    description = "Reports progress."
    mime_types = ("*/*",)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        for step in range(1000):
            context.progress(step / 1000, f"step {step}")
            time.sleep(0.0015)
        return {"steps": 1000}


class Gate(Plugin):
    """Waits until a file exists; tells by another that it runs."""

    name = "gate"
    description = "Waits until a file exists."
    mime_types = ("*/*",)
    options_schema = ANY
    timeout = 60.0

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        folder = Path(payload.options["folder"])
        (folder / f"running-{context.job_id}-{context.attempt}").touch()
        while not (folder / "open").exists():
            time.sleep(0.005)
        return {"attempt": context.attempt}


class SetupFails(Plugin):
    """Cannot be set up."""

    name = "setup_fails"
    description = "Cannot be set up."

    def setup(self) -> None:
        raise RuntimeError("no model here")

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {}


class Moody(Plugin):
    """Cannot be set up as long as the file exists that the variable MOODY_FILE names."""

    name = "moody"
    description = "Cannot always be set up."
    mime_types = ("*/*",)
    options_schema = ANY
    max_attempts = 1

    def setup(self) -> None:
        if Path(os.environ["MOODY_FILE"]).exists():
            raise RuntimeError("not in the mood")

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if payload.options.get("die"):
            os._exit(7)
        return {"pid": os.getpid()}


class Brief(Noop):
    """As Noop, with runs of a second at most, so that a worker may not be silent for longer either."""

    name = "brief"
    timeout = 1.0
    memory_bytes = 192 * 1024 * 1024

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if payload.options.get("how") == "spin":
            while True:
                pass
        if payload.options.get("how") == "die":
            os._exit(7)
        if payload.options.get("how") == "fail":
            raise RuntimeError("it failed")
        return {"pid": os.getpid(), "job_id": context.job_id}


class Mortal(Noop):
    """Its worker dies in setup as long as the file exists that the variable MORTAL_FILE names."""

    name = "mortal"

    def setup(self) -> None:
        if Path(os.environ["MORTAL_FILE"]).exists():
            os._exit(5)


class Sleeper(Noop):
    """Its setup hangs as long as the file exists that the variable SLEEPER_FILE names; one second are allowed."""

    name = "sleeper"
    setup_timeout = 1.0

    def setup(self) -> None:
        if Path(os.environ["SLEEPER_FILE"]).exists():
            hang()


class Slowcoach(Noop):
    """Its setup takes until the file is gone that the variable SLOWCOACH_FILE names."""

    name = "slowcoach"

    def setup(self) -> None:
        while Path(os.environ["SLOWCOACH_FILE"]).exists():
            time.sleep(0.005)


class Picky(Noop):
    """Takes no picture but its own canary, and no options but that one's."""

    name = "picky"
    timeout = 1.0
    options_schema = {"type": "object", "required": ["word"]}
    canary = Payload(b"tweet", "text/x-canary", {"word": "sing"})
    mime_types = ("text/*",)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if payload.options["word"] == "die":
            os._exit(7)
        if payload.image != b"tweet":
            raise PluginError("no bird")
        return {"word": payload.options["word"]}


class Frail(Plugin):
    """Its process ends in setup, once, when the file exists that the variable FRAIL_FILE names."""

    name = "frail"
    description = "Does not always come up."
    mime_types = ("*/*",)
    options_schema = ANY
    max_attempts = 3

    def setup(self) -> None:
        file = Path(os.environ["FRAIL_FILE"])
        if file.exists():
            file.unlink()
            os._exit(7)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if payload.options.get("die") and context.attempt == 1:
            Path(os.environ["FRAIL_FILE"]).touch()
            os._exit(7)
        return {"attempt": context.attempt}


class Unmet(Plugin):
    """Needs a library that does not exist."""

    name = "unmet"
    description = "Needs a library that does not exist."
    requires = {"no_such_module_at_all": "no-such-distribution"}

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {}


class Puppet(Plugin):
    """Does what a test tells it over a Unix socket, so that neither of the two has to wait for a time to pass.

    Says ``{"job_id", "attempt", "pid", "options"}`` in a line, then obeys one line after another: ``progress`` reports
    and goes on, ``return`` ends the run with a value, ``raise`` and ``refuse`` with an exception, ``die`` with its
    process. Gives a file back with the name in ``gives``. Takes too long for runs to be sent ahead to its worker.
    """

    name = "puppet"
    version = "1.0.0"
    description = "Does what a test tells it."
    mime_types = ("image/*",)
    options_schema = ANY
    timeout = 60.0
    concurrency = 2

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        time.sleep(0.002)
        if name := payload.options.get("gives"):
            context.artifact(name, b"given", "text/plain")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(payload.options["socket"])
            hello = {
                "job_id": context.job_id,
                "attempt": context.attempt,
                "pid": os.getpid(),
                "options": payload.options,
            }
            connection.sendall(json.dumps(hello).encode() + b"\n")
            for line in connection.makefile("rb"):
                order = json.loads(line)
                if order["do"] == "progress":
                    context.progress(order["fraction"], order["message"])
                elif order["do"] == "return":
                    return order["value"]  # type: ignore[no-any-return]
                elif order["do"] == "raise":
                    raise RuntimeError(order["text"])
                elif order["do"] == "refuse":
                    raise PluginError(order["text"], order["details"])
                elif order["do"] == "die":
                    os._exit(7)
        return {"orders": "none left"}


class Understudy(Puppet):
    """As Puppet, and says that what it gave once stands for all further runs."""

    name = "understudy"
    cacheable = True
    concurrency = 3


class QuickPuppet(Puppet):
    """Returns its process id at once, unless it is sent to a stage; with ``spoil``, leaves a thread behind."""

    name = "quick_puppet"
    concurrency = 1
    max_attempts = 1

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        if "socket" in payload.options:
            return super().run(payload, context)
        if "spoil" in payload.options:
            threading.Thread(target=hang, daemon=True).start()
        return {"pid": os.getpid()}


class SinglePuppet(Puppet):
    """As Puppet, one run at a time, and never a second attempt."""

    name = "single_puppet"
    concurrency = 1
    max_attempts = 1


class StubbornPuppet(Puppet):
    """As Puppet, and tries again, twice at most, after an exception of no special kind."""

    name = "stubborn_puppet"
    concurrency = 1
    max_attempts = 3
    retry_on = (RuntimeError, PluginError)

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        output = super().run(payload, context)
        if output == {"invalid": True}:
            raise InvalidInput("The page is blank.")
        return output


class Answers(Plugin):
    """Returns its option ``answer`` as it is."""

    name = "answers"
    description = "Returns its option."
    mime_types = ("*/*",)
    options_schema = {"type": "object", "required": ["answer"]}

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return payload.options["answer"]  # type: ignore[no-any-return]


class Rogue(Plugin):
    """Goes around ToolRunner in the way that its option ``how`` names, and tells what came of that."""

    name = "rogue"
    description = "Runs other plugins."
    mime_types = ("*/*",)
    options_schema = ANY

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        how = payload.options.get("how", "succeed")
        caught: list[str] = []
        if how == "another":
            return Noop().run(payload, context)
        if how == "itself":
            return self.run(payload, context)
        if how == "tool_runner":
            return ToolRunner.run_plugin(Noop(), payload, context)
        if how == "permit":
            with Permit(Noop()):
                return {}
        if how == "tool_runner_in_a_thread":
            thread = threading.Thread(target=lambda: ToolRunner.run_plugin(Noop(), payload, context))
            thread.start()
            thread.join()
        if how == "unbound":
            return Noop.run(self, payload, context)  # type: ignore[arg-type]
        if how == "another_class":
            self.__class__ = Noop  # type: ignore[assignment]
        if how == "hidden":
            try:
                Noop().run(payload, context)
            except Exception as error:  # noqa: BLE001 - as a careless plugin does
                caught.append(str(error))
        if how == "thread":
            thread = threading.Thread(target=run_and_keep, args=(self, payload, context, caught))
            thread.start()
            thread.join()
        if how == "often":
            for _ in range(100):
                run_and_keep(Noop(), payload, context, caught)
        if how == "forked":
            if os.fork() == 0:
                run_and_keep(Noop(), payload, context, caught)
                os._exit(0)
            os.wait()
        return {"caught": caught}


def run_and_keep(plugin: Plugin, payload: Payload, context: RunContext, caught: list[str]) -> None:
    """Run a plugin and keep the text of what it raises."""
    try:
        plugin.run(payload, context)
    except Exception as error:  # noqa: BLE001 - as a careless plugin does
        caught.append(str(error))


class RogueSetup(Noop):
    """Runs another plugin before any job has come, and has disabled all loggers, as libraries do."""

    name = "rogue_setup"

    def setup(self) -> None:
        logging.config.dictConfig({"version": 1})
        logging.disable(logging.CRITICAL)
        Noop().run(Payload(b"x", "image/png"), RunContext("none", 1, print))


class Twin(Answers):
    """Has another plugin's name."""

    description = "Has another plugin's name."


class BadSchema(Noop):
    """Its options schema is no JSON Schema."""

    name = "bad_schema"
    options_schema = {"type": "no such type"}


class RemoteSchema(Noop):
    """Its options schema refers outside itself."""

    name = "remote_schema"
    options_schema = {"$ref": "http://127.0.0.1:9/schema.json"}


class BadName(Noop):
    """Its name is none that a plugin may have."""

    name = "Bad Name"


class BadCanary(Noop):
    """Its canary is no payload."""

    name = "bad_canary"
    canary = b"tweet"  # type: ignore[assignment]


class ForeignCanary(Noop):
    """Its canary is of a type that it does not take."""

    name = "foreign_canary"
    mime_types = ("image/png",)
    canary = Payload(b"tweet", "text/x-canary", {})


class BareCanary(Noop):
    """Its canary has no options."""

    name = "bare_canary"
    canary = Payload(b"tweet", "text/x-canary", None)  # type: ignore[arg-type]


class BadRetry(Noop):
    """Its retry policy names what is no class."""

    name = "bad_retry"
    retry_on = ("TIMEOUT",)  # type: ignore[assignment]


class Unfinished(Plugin):
    """Defines no run."""

    name = "unfinished"


NOT_A_PLUGIN = "text"
