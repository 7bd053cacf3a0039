"""The vocabulary of delivery events, and their ranks."""

from publisher.domain.delivery_event import RANKS, EventKind


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
