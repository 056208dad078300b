"""The seeds of random generators: the same for the same input, whatever a worker ran before."""

from __future__ import annotations

import random
import sys

SEEDED = (("numpy", "random.seed", 32), ("cv2", "setRNGSeed", 31), ("torch", "manual_seed", 63))
"""Libraries with a generator of their own: the function that seeds it, and how many bits it takes."""


def seed_of(digest: str) -> int:
    """The seed of runs on an image: the first 64 bits of its digest ("sha256:<hex>")."""
    return int(digest[7:23], 16)


def seed_generators(seed: int) -> None:
    """Seed ``random`` and the generators of those libraries that have been imported."""
    random.seed(seed)
    for module, function, bits in SEEDED:
        if (found := sys.modules.get(module)) is not None:
            for name in function.split("."):
                found = getattr(found, name)
            found(seed & ((1 << bits) - 1))  # type: ignore[operator]
