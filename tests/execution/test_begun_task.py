"""Work that begins at once: what waits for nothing has ended at once, the rest is a task as any."""

from __future__ import annotations

import asyncio

import pytest

from runward_service.execution.begun_task import begin


async def test_what_waits_for_nothing_has_ended() -> None:
    """Its answer or its error is there before the loop has had a turn."""

    async def work() -> str:
        return "done"

    async def failing() -> str:
        raise ValueError("no")

    done, failed = begin(work()), begin(failing())
    assert (done.done(), done.result()) == (True, "done")
    assert failed.done()
    with pytest.raises(ValueError, match="no"):
        await failed


async def test_what_waits_goes_on_in_a_task() -> None:
    """It gets what it waits for, whether that is an answer or an error, as often as it waits."""
    loop = asyncio.get_running_loop()
    first, second, third = (loop.create_future() for _ in range(3))
    seen = []

    async def work() -> str:
        seen.append(await first)
        try:
            await second
        except ValueError as error:
            seen.append(str(error))
        await asyncio.sleep(0)
        seen.append(await third)
        return "done"

    begun = begin(work())
    assert (begun.done(), seen) == (False, [])
    first.set_result("one")
    second.set_exception(ValueError("two"))
    third.set_result("three")
    assert await begun == "done"
    assert seen == ["one", "two", "three"]


async def test_it_can_be_cancelled() -> None:
    """Work hears of it where it waits, and so does what it waits for; it may end otherwise."""
    loop = asyncio.get_running_loop()
    never = loop.create_future()
    cleaned = []

    async def work(*, stubborn: bool) -> str:
        try:
            await never
        finally:
            cleaned.append(stubborn)
            if stubborn:
                return "all the same"  # noqa: B012 - which swallows the cancellation
        return "done"

    begun = begin(work(stubborn=False))
    assert isinstance(begun, asyncio.Task)
    await asyncio.sleep(0)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert never.cancelled()
    never = loop.create_future()
    stubborn = begin(work(stubborn=True))
    await asyncio.sleep(0)
    stubborn.cancel()
    assert await stubborn == "all the same"
    assert cleaned == [False, True]


async def test_it_is_cancelled_before_its_task_has_begun() -> None:
    """Also then the work, which has begun, hears of it."""
    loop = asyncio.get_running_loop()
    never = loop.create_future()
    heard = []

    async def work() -> None:
        try:
            await never
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    begun = begin(work())
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert heard == ["cancelled"]
