"""`make bench`, as a program."""

import os

# Before gRPC is loaded: what forks here only execs, and gRPC's own doings between the two break some servers' starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from tests.bench.command import main

if __name__ == "__main__":
    main()
