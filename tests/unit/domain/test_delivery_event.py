"""The vocabulary of delivery events, and their ranks."""

from datetime import timedelta

import pytest

from publisher.domain.delivery_event import RANKS, EventKind, outranks
from tests.factories import INSTANT, delivery_event


def test_every_event_but_a_complaint_is_an_answer_with_a_rank() -> None:
    """A complaint is a flag beside the answer, and so has none (R32)."""
    assert set(EventKind) - RANKS.keys() == {EventKind.COMPLAINED}


def test_answers_rise_from_those_under_way_to_those_that_end_a_delivery() -> None:
    """accepted, deferred < delivered < bounced, rejected, failed and suppressed (R32)."""
    by_rank = [{kind for kind in RANKS if RANKS[kind] == rank} for rank in sorted(set(RANKS.values()))]

    assert by_rank == [
        {EventKind.ACCEPTED, EventKind.DEFERRED},
        {EventKind.DELIVERED},
        {EventKind.BOUNCED, EventKind.REJECTED, EventKind.FAILED, EventKind.SUPPRESSED},
    ]


@pytest.mark.parametrize(
    ("event", "answer", "seconds", "wins"),
    [
        ("accepted", None, 0, True),
        ("complained", None, 0, False),
        ("complained", "accepted", 9, False),
        ("deferred", "accepted", 9, True),
        ("deferred", "accepted", -9, False),
        ("accepted", "deferred", 9, True),
        ("delivered", "deferred", -9, True),
        ("accepted", "delivered", 9, False),
        ("failed", "bounced", 0, True),
        ("failed", "bounced", -1, False),
        ("deferred", "deferred", 1, True),
    ],
)
def test_which_event_becomes_the_answer(event: str, answer: str | None, seconds: int, wins: bool) -> None:
    """A higher rank always, a lower one never; of one rank the later, at one instant the last (R32)."""
    came = delivery_event(event=EventKind(event), occurred_at=INSTANT + timedelta(seconds=seconds))
    standing = EventKind(answer) if answer else None

    assert outranks(came, standing, INSTANT if answer else None) is wins
