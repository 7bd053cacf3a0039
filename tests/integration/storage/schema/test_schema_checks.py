"""The transition table, held by the tables themselves: no statement can leave a state that it forbids (R3)."""

import pytest

from publisher.domain.errors import DatabaseMisconfigured, DatabaseRefused
from storage.database import Database
from tests.integration.rows import FINAL, bury_something, change, due_routes, execute, one_route, rows

STATES = {"pending": "status = 'pending'"} | FINAL


@pytest.mark.parametrize(
    ("start", "bad", "constraint"),
    [
        ("pending", "status = 'sent', next_attempt_at = NULL", "routes_status_is_known"),
        ("pending", "status = 'SKIPPED', next_attempt_at = NULL", "routes_status_is_known"),
        ("pending", "attempt_count = -1", "routes_attempts_are_within_bounds"),
        ("pending", "attempt_count = max_attempts + 1", "routes_attempts_are_within_bounds"),
        ("pending", "max_attempts = 0", "routes_attempts_are_within_bounds"),
        ("pending", "next_attempt_at = NULL", "routes_open_is_scheduled"),
        ("pending", "status = 'failed', next_attempt_at = NULL", "routes_open_is_scheduled"),
        ("published", "next_attempt_at = now()", "routes_open_is_scheduled"),
        ("dead_letter", "next_attempt_at = now()", "routes_open_is_scheduled"),
        ("skipped", "next_attempt_at = now()", "routes_open_is_scheduled"),
        ("pending", "lease_token = 'a'", "routes_lease_is_both_or_neither"),
        ("pending", "lease_expires_at = now()", "routes_lease_is_both_or_neither"),
        ("published", "lease_token = 'a', lease_expires_at = now()", "routes_lease_only_while_open"),
        ("dead_letter", "lease_token = 'a', lease_expires_at = now()", "routes_lease_only_while_open"),
        ("skipped", "lease_token = 'a', lease_expires_at = now()", "routes_lease_only_while_open"),
        ("pending", "lease_loss_count = -1", "routes_lease_losses_are_counted"),
        ("published", "published_at = NULL", "routes_published_says_when"),
        ("pending", "published_at = now()", "routes_published_says_when"),
        ("skipped", "published_at = now()", "routes_published_says_when"),
        ("dead_letter", "published_at = now()", "routes_published_says_when"),
        ("dead_letter", "dead_letter_id = NULL", "routes_dead_letter_has_a_row"),
        ("dead_letter", "dead_lettered_at = NULL", "routes_dead_letter_has_a_row"),
        ("pending", "dead_letter_id = (SELECT id FROM dead_letters)", "routes_dead_letter_has_a_row"),
        ("pending", "dead_lettered_at = now()", "routes_dead_letter_has_a_row"),
        ("published", "dead_lettered_at = now()", "routes_dead_letter_has_a_row"),
        ("dead_letter", "dead_letter_id = 0", "routes_dead_letter"),
        ("pending", "cancel_requested_at = now()", "routes_cancellation_is_whole"),
        ("pending", "cancelled_by = 'ann'", "routes_cancellation_is_whole"),
        ("pending", "status = 'cancelled', next_attempt_at = NULL", "routes_cancelled_was_asked_for"),
        ("pending", "notification_key = NULL", "notification_key"),
        ("pending", "status = NULL", "status"),
        ("pending", "attempt_count = NULL", "attempt_count"),
        ("pending", "recipient_ref = NULL", "recipient_ref"),
        ("pending", "updated_at = NULL", "updated_at"),
    ],
)
def test_a_forbidden_state_is_refused(database: Database, start: str, bad: str, constraint: str) -> None:
    """The table refuses a route in a state that the transition table does not know, and names the rule (R3)."""
    bury_something(database)
    [route] = due_routes(database, 1)
    change(database, [route], STATES[start])
    before = one_route(database, route)

    with pytest.raises(DatabaseRefused, match=f'"{constraint}"'):
        change(database, [route], bad)

    assert one_route(database, route) == before


def test_a_routes_key_is_never_chosen(database: Database) -> None:
    """The key of a route is PostgreSQL's own: no statement gives it another (R3)."""
    [route] = due_routes(database, 1)

    with pytest.raises(DatabaseMisconfigured, match='"id"'):
        change(database, [route], "id = 1")


@pytest.mark.parametrize(
    "state",
    [
        "status = 'failed'",
        "attempt_count = max_attempts",
        "lease_token = 'a', lease_expires_at = now()",
        "lease_loss_count = 5",
        *FINAL.values(),
    ],
)
def test_a_permitted_state_is_taken(database: Database, state: str) -> None:
    """The table takes each state of the transition table, up to its bounds (R3)."""
    bury_something(database)
    routes = due_routes(database, 1)

    change(database, routes, state)

    assert rows(database, "SELECT count(*) FROM routes WHERE id = %s", routes[0]) == [{"count": 1}]


@pytest.mark.parametrize("half", ["requeued_at = now()", "requeued_by = 'ann'"])
def test_a_requeue_says_who_and_when(database: Database, half: str) -> None:
    """A dead letter that was requeued keeps both who and when (R3)."""
    bury_something(database)

    with pytest.raises(DatabaseRefused, match="dead_letters_requeue_is_both"):
        execute(database, f"UPDATE dead_letters SET {half}")


@pytest.mark.parametrize("half", ["discarded_at = now()", "discarded_by = 'ann'"])
def test_a_discard_says_who_and_when(database: Database, half: str) -> None:
    """A dead letter that was discarded keeps both who and when (R3)."""
    bury_something(database)

    with pytest.raises(DatabaseRefused, match="dead_letters_discard_is_both"):
        execute(database, f"UPDATE dead_letters SET {half}")


def test_a_recipient_has_one_route_per_channel(database: Database) -> None:
    """A notification has each route once (R1)."""
    first, second = due_routes(database, 2)

    with pytest.raises(DatabaseRefused, match="routes_identity"):
        change(database, [second], f"route_id = (SELECT route_id FROM routes WHERE id = {first})")


def test_a_dead_letter_stays_while_its_route_points_at_it(database: Database) -> None:
    """The row of a dead letter cannot be deleted from under its route (R3)."""
    bury_something(database)
    change(database, due_routes(database, 1), FINAL["dead_letter"])

    with pytest.raises(DatabaseRefused, match="routes_dead_letter"):
        execute(database, "DELETE FROM dead_letters")


def test_an_entry_is_recorded_as_malformed_once(database: Database) -> None:
    """An entry of a stream has one row among the malformed intents (R19)."""
    record = (
        "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
        " recorded_at) VALUES ('s', '1-0', 'poison', 'm', '{}', now())"
    )
    execute(database, record)

    with pytest.raises(DatabaseRefused, match="malformed_intents_entry"):
        execute(database, record)


def test_instants_are_kept_to_the_millisecond(database: Database) -> None:
    """Whatever is written, an instant is kept in whole milliseconds (R2)."""
    [route] = due_routes(database, 1)

    change(database, [route], "next_attempt_at = '2026-03-14 09:26:53.589123+02'")

    assert one_route(database, route)["next_attempt_at"].isoformat() == "2026-03-14T07:26:53.589000+00:00"
