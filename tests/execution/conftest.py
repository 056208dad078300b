"""One service for the tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.harness.service import running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from runward_service.service import Service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service with the plugins that the module names in PLUGINS."""
    async with running_service(tmp_path_factory.mktemp("data"), *request.module.PLUGINS) as running:
        yield running
