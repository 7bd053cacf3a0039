"""What may happen to a route: the table of R3, R5a and R12a, over every pair of status and event."""

from itertools import product

import pytest

from publisher.domain.notification import OPEN_STATUSES, RouteEvent, RouteStatus, next_status

# The table of R3. Every pair that is not here cannot happen.
TABLE = {
    ("pending", "command_written"): "published",
    ("failed", "command_written"): "published",
    ("pending", "attempt_failed"): "failed",
    ("failed", "attempt_failed"): "failed",
    ("pending", "attempts_exhausted"): "dead_letter",
    ("failed", "attempts_exhausted"): "dead_letter",
    ("pending", "leases_exhausted"): "dead_letter",
    ("failed", "leases_exhausted"): "dead_letter",
    ("dead_letter", "operator_requeued"): "pending",
    ("published", "command_lost"): "pending",
    ("pending", "deadline_passed"): "expired",
    ("failed", "deadline_passed"): "expired",
    ("published", "operator_republished"): "pending",
    ("pending", "cancelled"): "cancelled",
    ("failed", "cancelled"): "cancelled",
    ("dead_letter", "dead_letter_cancelled"): "pending",
}
STATUSES = ["pending", "failed", "published", "dead_letter", "skipped", "expired", "cancelled"]
EVENTS = [
    "command_written",
    "attempt_failed",
    "attempts_exhausted",
    "leases_exhausted",
    "operator_requeued",
    "command_lost",
    "deadline_passed",
    "operator_republished",
    "cancelled",
    "dead_letter_cancelled",
]


def test_there_are_no_other_statuses_and_events() -> None:
    """The statuses and events have exactly these names: tables hold them (R3)."""
    assert [status.value for status in RouteStatus] == STATUSES
    assert [event.value for event in RouteEvent] == EVENTS


@pytest.mark.parametrize(("status", "event"), list(product(STATUSES, EVENTS)))
def test_an_event_leads_where_the_table_says(status: str, event: str) -> None:
    """Each event leads from each status to the one in the table, or cannot happen (R3)."""
    expected = TABLE.get((status, event))

    assert next_status(RouteStatus(status), RouteEvent(event)) == expected


@pytest.mark.parametrize("status", STATUSES)
def test_only_pending_and_failed_are_open(status: str) -> None:
    """Pending and failed routes are still worked on; those of every other status are final (R3)."""
    is_final = status in {"published", "dead_letter", "skipped", "expired", "cancelled"}

    assert RouteStatus(status).is_final is is_final
    assert (RouteStatus(status) in OPEN_STATUSES) is not is_final


@pytest.mark.parametrize("event", EVENTS)
def test_nothing_ever_happens_to_a_skipped_route(event: str) -> None:
    """A route without an address stays skipped, whatever comes (R3)."""
    assert next_status(RouteStatus.SKIPPED, RouteEvent(event)) is None
