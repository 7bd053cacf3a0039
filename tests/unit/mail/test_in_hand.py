"""The deliveries in hand: how many there may be, and until when each is this process's own (R33)."""

import asyncio
from datetime import timedelta

import pytest

from publisher.domain.rate_limit import RateLimit
from publisher.mail.delivery import Delivery
from publisher.mail.in_hand import InHand, most_in_hand
from publisher.mail.messages.command import MailCommand
from storage.mail.deliveries import BegunMail
from tests.factories import INSTANT

TTL = timedelta(seconds=30)


def delivery(name: str, entry_id: str | None = "1-0") -> Delivery:
    """A delivery of this id."""
    begun = BegunMail(name, "1-0", 0, is_unsure=False, age=timedelta(0))
    return Delivery(begun, entry_id, (), MailCommand(name, "a@example.com", "t", "en", {}, (), INSTANT))


def test_there_is_room_for_as_many_as_are_sent_at_once() -> None:
    """What is let go makes room; the entries are those that stand on the stream still."""
    hand = InHand(3, TTL, clock=lambda: 0.0)
    hand.add([delivery("a"), delivery("b", None)], 0.0)

    assert (len(hand), hand.room, hand.deliveries, hand.entries) == (2, 1, ["a", "b"], ["1-0"])
    hand.remove([delivery("a")])
    assert (len(hand), hand.room, hand.entries) == (1, 2, [])
    hand.left.add("2-0")
    assert (hand.room, hand.entries) == (2, ["2-0"])


@pytest.mark.parametrize(
    ("rate", "most"), [(None, 160), (RateLimit(14, 14), 154), (RateLimit(1000, 1), 160), (RateLimit(0.1, 2), 3)]
)
def test_no_more_are_in_hand_than_a_rate_lets_go_out_soon(rate: RateLimit | None, most: int) -> None:
    """What waits longer stays on the stream: another mailer may take it there, and no crash makes it unsure (R33)."""
    assert most_in_hand(16, rate) == most


def test_a_transaction_begins_only_well_within_the_lease() -> None:
    """Counted from before PostgreSQL was asked: here the lease is over before it is there."""
    now = 100.0
    hand = InHand(3, TTL, clock=lambda: now)
    hand.add([delivery("a")], 90.0)

    assert hand.is_ours(delivery("a"))
    now = 113.9
    assert hand.is_ours(delivery("a"))
    now = 114.1
    assert not hand.is_ours(delivery("a"))


def test_a_renewed_lease_lasts_and_a_lost_one_ends_at_once() -> None:
    """Whatever its time was: another process may send it (R33)."""
    hand = InHand(3, TTL, clock=lambda: 20.0)
    hand.add([delivery("kept"), delivery("lost")], 0.0)

    hand.renewed(["kept", "lost", "let go"], {"kept"}, 15.0)

    assert hand.is_ours(delivery("kept"))
    assert not hand.is_ours(delivery("lost"))
    assert not hand.is_ours(delivery("let go"))


def test_whoever_waits_for_room_is_told() -> None:
    """At once, and not when the time is over."""

    async def run() -> None:
        hand = InHand(1, TTL)
        hand.add([delivery("a")], hand.now())
        waiting = asyncio.create_task(hand.wait_for_fewer(1000))
        await asyncio.sleep(0)
        hand.remove([delivery("a")])
        await waiting

    asyncio.run(run())


def test_a_wait_that_ends_as_it_is_cancelled_is_cancelled() -> None:
    """A mail process whose recorder failed ends, and another takes over: it does not wait for ever (R33)."""
    hand = InHand(3, TTL)

    async def run() -> bool:
        waiting = asyncio.create_task(hand.wait_for_fewer(60))
        # Until it waits, whatever it does that with.
        for _ in range(5):
            await asyncio.sleep(0)
        hand.remove([])
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert asyncio.run(run())
