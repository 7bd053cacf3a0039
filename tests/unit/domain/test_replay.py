"""Which intents may be taken in again after PostgreSQL went back, and the ids that bound them."""

from datetime import timedelta

import pytest

from publisher.domain.entry_ids import before, first_at, place, sent_at
from publisher.domain.instants import to_milliseconds
from publisher.domain.replay import ReplayRange, witnessed_since
from tests.factories import INSTANT

HOUR, LEASE, SECOND = timedelta(hours=1), timedelta(seconds=30), timedelta(seconds=1)
FLOOR = INSTANT - timedelta(minutes=59, seconds=30)


def wanted(*, covered: timedelta | None) -> ReplayRange:
    """A replay at INSTANT whose mark is so old."""
    covered_at = None if covered is None else INSTANT - covered
    return ReplayRange("1-0", "9-0", covered_at, witnessed_since(INSTANT, HOUR, LEASE))


def sent(ago: timedelta) -> str:
    """The id of an entry sent so long before INSTANT."""
    return first_at(INSTANT - ago)


def test_a_witness_must_outlive_the_replay() -> None:
    """The lease in which a replayed route is published is taken off the dedup window (R12)."""
    assert witnessed_since(INSTANT, HOUR, LEASE) == FLOOR


def test_with_a_young_mark_everything_behind_it_is_replayed() -> None:
    """What PostgreSQL lacks was committed after its mark, and published later still, however old the entry is."""
    assert wanted(covered=LEASE).may_replay("1-0")


@pytest.mark.parametrize("covered", [None, timedelta(hours=2)])
def test_with_an_old_mark_the_entrys_own_age_decides(covered: timedelta | None) -> None:
    """An entry was not published before it was sent: a young one has its witness (R12)."""
    assert wanted(covered=covered).may_replay(sent(INSTANT - FLOOR))
    assert not wanted(covered=covered).may_replay(sent(INSTANT - FLOOR + SECOND))


def test_a_replay_is_over_at_its_last_entry() -> None:
    """Ids compare as numbers."""
    assert not wanted(covered=None).is_over("8-99999999999999999999")
    assert wanted(covered=None).is_over("9-0")
    assert wanted(covered=None).is_over("10-0")


@pytest.mark.parametrize(
    ("entry_id", "previous"), [("7-3", "7-2"), ("7-0", f"6-{2**64 - 1}"), ("0-1", "0-0"), ("0-0", "0-0")]
)
def test_an_id_has_one_before_it(entry_id: str, previous: str) -> None:
    """Down to the first of all."""
    assert before(entry_id) == previous
    assert place(previous) <= place(entry_id)


def test_an_id_tells_when_its_entry_was_sent() -> None:
    """In whole milliseconds; one that no clock has made is as late as an instant can be."""
    assert sent_at(f"{to_milliseconds(INSTANT)}-7") == INSTANT
    assert sent_at(f"{2**64 - 1}-0").year == 9999
