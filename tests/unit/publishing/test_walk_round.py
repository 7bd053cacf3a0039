"""When walks over the groups of a channel have seen all of them, and the next one is left to the next scan (R31)."""

from publisher.domain.lanes import Lane
from publisher.publishing.walk_round import WalkRound

NORMAL = Lane.NORMAL


def walk(by: WalkRound, start: int | None, end: int | None, *, found_some: bool = False) -> bool:
    """A walk of the normal lane from behind one key to another; None: from the beginning, or it saw all groups."""
    starts = {} if start is None else {NORMAL: start}
    ends = {} if end is None else {NORMAL: end}
    return by.goes_on(starts, ends, ends.keys(), found_some=found_some)


def test_walks_go_on_until_they_are_round() -> None:
    """They began in the middle, and go on behind the last group with the first one."""
    by = WalkRound()

    assert [walk(by, 5, 8), walk(by, 8, 2), walk(by, 2, 6)] == [True, True, False]
    assert walk(by, 6, 8)


def test_a_walk_that_saw_all_groups_is_a_round() -> None:
    """No other one follows at once."""
    assert not walk(WalkRound(), None, None)


def test_a_claim_begins_the_round_anew() -> None:
    """Since then routes may have become due in any group."""
    by = WalkRound()
    walk(by, None, 5)
    walk(by, 5, 8, found_some=True)

    assert walk(by, 8, 2)
    assert walk(by, 2, 6)
    assert not walk(by, 6, 9)


def test_a_round_ends_though_groups_come_faster() -> None:
    """After a hundred walks all waits for the next scan."""
    by = WalkRound()

    assert [walk(by, n, n + 1) for n in range(100)] == [True] * 99 + [False]
