"""The vocabulary of delivery events, and their ranks."""

from datetime import timedelta

import pytest

from publisher.domain.delivery_event import RANKS, EventKind, outranks
from tests.factories import INSTANT, delivery_event


def test_every_event_but_a_complaint_is_an_answer_with_a_rank() -> None:
    """A complaint is a flag beside the answer, and so has none (R32)."""
    assert set(EventKind) - RANKS.keys() == {EventKind.COMPLAINED}


def test_answers_rise_from_accepted_to_those_that_end_a_delivery() -> None:
    """accepted < deferred < delivered < bounced, rejected, failed and suppressed, which are of one rank (R32)."""
    rising = [EventKind.ACCEPTED, EventKind.DEFERRED, EventKind.DELIVERED, EventKind.BOUNCED]
    ending = {EventKind.BOUNCED, EventKind.REJECTED, EventKind.FAILED, EventKind.SUPPRESSED}

    assert sorted(RANKS, key=lambda kind: RANKS[kind])[:3] == rising[:3]
    assert {kind for kind in RANKS if RANKS[kind] == RANKS[EventKind.BOUNCED]} == ending
    assert len({RANKS[kind] for kind in rising}) == 4


@pytest.mark.parametrize(
    ("event", "answer", "seconds", "wins"),
    [
        ("accepted", None, 0, True),
        ("complained", None, 0, False),
        ("complained", "accepted", 9, False),
        ("deferred", "accepted", -9, True),
        ("accepted", "deferred", 9, False),
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
