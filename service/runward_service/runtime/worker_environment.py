"""The environment variables of workers: few of the service's own, and those that make runs repeatable."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "PYTHONWARNINGS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "USER",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
)
"""What programs need to be found and to find their libraries, and what nobody keeps a secret in."""
FIXED = {
    "DO_NOT_TRACK": "1",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "TZ": "UTC",
}
"""Onnxruntime would write a number for this machine to HOME and send what it does to its maker."""
THREADS = "1"
THREAD_COUNTS = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Sums depend on how they are parted among threads. ``--workers`` is what uses the processors."""


def worker_environment(further: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a worker: what is fixed, and those of this process's variables that are PASSED or named by an
    operator, who may so set what is fixed too.
    """
    environment = FIXED | dict.fromkeys(THREAD_COUNTS, THREADS)
    own = os.environ
    return environment | {name: own[name] for name in (*PASSED, *further) if name in own}
