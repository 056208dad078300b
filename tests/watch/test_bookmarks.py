"""Bookmarks in turns: everybody is told, nobody too often, and not all at once."""

from __future__ import annotations

from runward_service.watch.bookmarks import A_TICK, ROUND_SECONDS, TICK_SECONDS, BookmarkRounds, Waiter


def told(waiters: list[Waiter]) -> list[int]:
    """Who has a bookmark due, by number; takes it."""
    found = [number for number, waiter in enumerate(waiters) if waiter.bookmark_due]
    for waiter in waiters:
        waiter.bookmark_due = False
        waiter.clear()
    return found


def crowd(count: int) -> tuple[BookmarkRounds, list[Waiter]]:
    """So many who watch."""
    rounds, waiters = BookmarkRounds(), [Waiter() for _ in range(count)]
    for waiter in waiters:
        rounds.add(waiter)
    return rounds, waiters


async def test_nobody_is_woken_for_nothing() -> None:
    """Without watchers, or with no change since the last round, there is no turn."""
    rounds, waiters = crowd(1)
    assert BookmarkRounds().delay(0, 5) is None
    rounds.tick(10, 5)
    assert told(waiters) == [0]
    assert rounds.delay(10, 5) is None
    rounds.tick(20, 5)
    assert told(waiters) == []


async def test_one_is_told_once_a_second() -> None:
    """However often the log changes, a watcher is told once a round."""
    rounds, waiters = crowd(1)
    times = [now / 10 for now in range(31) if (rounds.tick(now / 10, now + 1), told(waiters))[1]]
    assert times == [0, ROUND_SECONDS, 2 * ROUND_SECONDS, 3 * ROUND_SECONDS]


async def test_a_crowd_is_told_a_few_at_a_time() -> None:
    """Everyone once a round, in the order in which they came, ten at a time; then the next round begins."""
    rounds, waiters = crowd(25)
    now, turns = 0.0, []
    while len(turns) < 6:
        rounds.tick(now, 1 + int(now * 100))
        if found := told(waiters):
            turns.append(found)
        assert rounds.delay(now, 10**6) is not None
        now += TICK_SECONDS
    everyone = list(range(25))
    parts = [everyone[start : start + A_TICK] for start in range(0, 25, A_TICK)]
    assert turns == parts * 2


async def test_who_leaves_and_who_comes() -> None:
    """Those who leave in the middle of a round do not hold it up, those who come have their turn in the next."""
    rounds, waiters = crowd(15)
    rounds.tick(0, 1)
    assert told(waiters) == list(range(10))
    for waiter in waiters[3:]:
        rounds.remove(waiter)
    late = Waiter()
    rounds.add(late)
    rounds.tick(1, 2)
    rounds.tick(3, 2)
    rounds.tick(5, 3)
    assert late.bookmark_due
    assert told(waiters) == [0, 1, 2]
