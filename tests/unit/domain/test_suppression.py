"""Which events suppress an address, and which addresses are the same."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from publisher.domain.delivery_event import DeliveryEvent, EventKind, Fault, Permanence
from publisher.domain.suppression import SuppressionReason, comparable_address, suppression_reason

BOUNCE = DeliveryEvent(
    *("1", "n/email:user:7", EventKind.BOUNCED, datetime(2026, 3, 14, tzinfo=UTC), "dsn"),
    permanence=Permanence.PERMANENT,
    fault=Fault.RECIPIENT,
)


def test_permanent_bounces_of_the_recipient_and_complaints_suppress() -> None:
    """And nothing else does: what passes by itself is no reason."""
    passing = [
        replace(BOUNCE, permanence=Permanence.TRANSIENT),
        replace(BOUNCE, permanence=Permanence.UNDETERMINED),
        replace(BOUNCE, permanence=None),
        *(replace(BOUNCE, fault=fault) for fault in (Fault.INFRASTRUCTURE, Fault.CONTENT, Fault.UNKNOWN, None)),
        *(replace(BOUNCE, event=kind) for kind in EventKind if kind not in {EventKind.BOUNCED, EventKind.COMPLAINED}),
    ]

    assert suppression_reason(BOUNCE) is SuppressionReason.BOUNCED
    complaint = replace(BOUNCE, event=EventKind.COMPLAINED, permanence=None, fault=None)
    assert suppression_reason(complaint) is SuppressionReason.COMPLAINED
    assert {suppression_reason(event) for event in passing} == {None}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@example.com. ", "ann@example.com"),
        ("dürer@MÜLLER.example", "DÜRER@xn--mller-kva.example"),
        ("du\u0308rer@example.com", "dürer@example.com"),
    ],
)
def test_addresses_that_reach_the_same_mailbox_are_the_same(one: str, other: str) -> None:
    """Upper and lower case, a domain's ASCII form, a composed letter."""
    assert comparable_address(one) == comparable_address(other)


def test_a_domain_is_not_taken_for_another_one() -> None:
    """Whoever owns straße.example need not own strasse.example."""
    assert comparable_address("ann@straße.example") != comparable_address("ann@strasse.example")


@pytest.mark.parametrize("address", ["", "ann", "@", "a@" + "ü" * 300, "a@" + "ü." * 200 + "ü", "a@ü..ü", "a@b@c"])
def test_what_is_no_address_is_compared_as_it_is(address: str) -> None:
    """It raises nothing: the text may be anybody's."""
    assert comparable_address(address) == address.lower()
