"""What holds for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

STATES = tempfile.mkdtemp(prefix="runward-states-")
atexit.register(shutil.rmtree, STATES, ignore_errors=True)
os.environ["XDG_STATE_HOME"] = STATES
"""Servers that tests start keep their keys here, not in the developer's home."""
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""As workers have it."""
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
"""Read when gRPC is loaded. What tests start only execs; gRPC's handlers, run in between, have ended it before that."""
