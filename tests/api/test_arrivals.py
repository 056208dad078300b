"""Calls that arrive go on at once, or with some others where there are many."""

from __future__ import annotations

import asyncio

from runward_service.api.arrivals import CROWD, MOST, SHARE, Arrivals


async def test_a_few_calls_go_on_at_once() -> None:
    """With fewer calls under way than a crowd, none waits."""
    arrivals = Arrivals(lambda: CROWD - 1)
    assert [arrivals.enter() for _ in range(2 * CROWD)] == [None] * 2 * CROWD


async def test_a_crowd_goes_on_in_shares() -> None:
    """All of a crowd's calls go on, those that waited in the order in which they came."""
    arrivals, order = Arrivals(lambda: CROWD), list[int]()

    async def call(number: int) -> None:
        if (turn := arrivals.enter()) is not None:
            await turn
        order.append(number)

    share = CROWD // SHARE
    calls = [asyncio.create_task(call(number)) for number in range(3 * share)]
    await asyncio.gather(*calls)
    assert sorted(order) == list(range(3 * share))
    waited = [number for number in order if (number + 1) % share]
    assert waited == sorted(waited)


async def test_nobody_goes_on_before_the_share_is_there() -> None:
    """All but the last of a share wait."""
    arrivals = Arrivals(lambda: CROWD)
    waits = [wait for _ in range(CROWD // SHARE - 1) if (wait := arrivals.enter()) is not None]
    assert [wait.done() for wait in waits] == [False] * (CROWD // SHARE - 1)
    assert arrivals.enter() is None
    assert [wait.done() for wait in waits] == [True] * (CROWD // SHARE - 1)


async def test_a_share_has_a_bound() -> None:
    """However many calls there are, none waits for more than MOST."""
    arrivals = Arrivals(lambda: 1000 * MOST)
    waits = [arrivals.enter() for _ in range(MOST)]
    assert [wait is None for wait in waits] == [False] * (MOST - 1) + [True]


async def test_what_is_not_joined_goes_on_by_itself() -> None:
    """A call that no other follows waits for a moment only, and so does one that comes after it."""
    arrivals = Arrivals(lambda: CROWD)
    for _ in range(2):
        wait = arrivals.enter()
        assert wait is not None
        assert not wait.done()
        await wait


async def test_a_crowd_is_remembered_for_a_while() -> None:
    """Calls that arrive just when most of a crowd were answered still go on together."""
    under_way = CROWD
    arrivals = Arrivals(lambda: under_way)
    first = arrivals.enter()
    under_way = 1
    second = arrivals.enter()
    assert first is not None
    assert second is not None
    await asyncio.gather(first, second)


async def test_a_caller_that_hangs_up_holds_nobody_up() -> None:
    """Where one of those that wait hangs up, the others go on."""
    arrivals = Arrivals(lambda: CROWD)
    gone, stays = arrivals.enter(), arrivals.enter()
    assert gone is not None
    assert stays is not None
    gone.cancel()
    await stays
    assert gone.cancelled()
