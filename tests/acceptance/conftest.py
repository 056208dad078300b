"""A real server, a real client, real pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

import runward
from tests.acceptance.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runward import Client

SAMPLES = ("Noop", "Echo", "Decode", "Returns", "Fails", "Hostile", "Gate", "FailsOnce", "Unmet", "SetupFails")
IMAGE = {"mime_type": "application/octet-stream"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server with the built-in plugins and the sample plugins."""
    folder = tmp_path_factory.mktemp("data")
    process = ServerProcess(folder, "--workers", "6", "--grace", "5", plugins=SAMPLES, discover=True)
    async with process:
        yield process
    assert b"Traceback" not in process.log.replace(b"password=hunter2", b"").split(b"stopping:")[-1]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(server: ServerProcess) -> AsyncIterator[Client]:
    """A client of that server."""
    async with runward.connect(server.address) as connected:
        yield connected


@pytest.fixture(scope="session")
def photograph() -> bytes:
    """A JPEG of more than 20 MB, as a camera makes them: 24 megapixels, with detail and noise."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:4000, 0:6000]
    scene = np.stack([127 + 100 * np.sin(x / 211), 127 + 100 * np.cos(y / 173), (x + y) / 39.3], axis=-1)
    pixels = np.clip(scene + rng.normal(0, 22, scene.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=97, subsampling=0)
    data = buffer.getvalue()
    assert len(data) > 20_000_000
    return data


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    return buffer.getvalue()
