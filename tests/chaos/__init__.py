"""``make chaos``: the real server under load while everything around it goes wrong, and what must hold all the same."""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # before gRPC is loaded: a process that is started only execs
