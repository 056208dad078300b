"""What is remembered of the database: as much as there is room for, the rest is read again."""

from __future__ import annotations

from runward_service.store.remembered import Remembered


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    """By number; whatever is asked for, or noted anew, is the newest again."""
    remembered: Remembered[str, int] = Remembered(3, 1000)
    for number, key in enumerate("abc"):
        remembered.note(key, number, 1)
    assert remembered.get("a") == 0
    remembered.note("b", 10, 1)
    remembered.note("d", 3, 1)
    assert [remembered.get(key) for key in "abcd"] == [0, 10, None, 3]


def test_bytes_make_room() -> None:
    """As many as are needed go; the size of a key's earlier value does not count any more; all of it can be let go."""
    remembered: Remembered[str, str] = Remembered(1000, 160)
    for number in range(16):
        remembered.note(f"{number}", "ten bytes", 10)
    remembered.note("0", "one", 1)
    remembered.note("more", "nine", 9)
    assert all(remembered.get(f"{number}") for number in range(16))
    remembered.note("again", "ten bytes", 10)
    assert remembered.get("1") or remembered.get("more")
    assert sum(remembered.get(f"{number}") is None for number in range(16)) == 1
    remembered.clear()
    assert remembered.get("more") is None
    for number in range(16):
        remembered.note(f"{number}", "ten bytes", 10)
    assert all(remembered.get(f"{number}") for number in range(16))


def test_what_is_large_is_not_remembered() -> None:
    """One that takes more than a sixteenth of the room would put out too many others; the key's earlier value goes."""
    remembered: Remembered[str, str] = Remembered(1000, 160)
    remembered.note("a", "small", 10)
    remembered.note("b", "small", 10)
    remembered.note("a", "large", 11)
    assert (remembered.get("a"), remembered.get("b")) == (None, "small")
