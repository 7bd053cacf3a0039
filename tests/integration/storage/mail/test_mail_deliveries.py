"""Deliveries of the mail service: who begins one, who takes one over, and what is found again (R33)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from publisher.domain.errors import DatabaseRefused
from publisher.domain.mail_outcome import MailState
from storage.database import Database
from storage.mail.deliveries import (
    StandingMail,
    hold_mail,
    renew_mail,
)
from tests.factories import accepted
from tests.integration.rows import execute, rows
from tests.integration.storage.mail.begun_mail import OVER, STRANGER, TTL, abandon, begin, set_state


def test_a_new_delivery_is_begun_with_its_route(database: Database) -> None:
    """So that both are pruned together; a stranger's delivery, of which there is no route, is sent all the same."""
    [intent] = accepted(database, [{}]).accepted
    known = f"{intent.intent.notification_id}/{intent.routes[0].route_id}"

    begun, standing = begin(database, known, STRANGER)

    assert standing == {}
    assert {id_: (each.tries, each.is_unsure, each.command) for id_, each in begun.items()} == {
        known: (0, False, None),
        STRANGER: (0, False, None),
    }
    routes = {row["delivery_id"]: row["route_key"] for row in rows(database, "SELECT * FROM mail_deliveries")}
    assert routes[STRANGER] is None
    [route] = rows(database, "SELECT route_id FROM routes WHERE id = %s", routes[known])
    assert route["route_id"] == intent.routes[0].route_id


def test_a_delivery_goes_with_its_route(database: Database) -> None:
    """It is pruned with its notification."""
    [intent] = accepted(database, [{}]).accepted
    begin(database, f"{intent.intent.notification_id}/{intent.routes[0].route_id}", STRANGER)

    execute(database, "DELETE FROM routes")

    assert [row["delivery_id"] for row in rows(database, "SELECT * FROM mail_deliveries")] == [STRANGER]


def test_a_blind_repetition_finds_its_own(database: Database) -> None:
    """A process whose reply was lost begins again with its token, and nothing is unsure by that."""
    begin(database, STRANGER)

    begun, _ = begin(database, STRANGER)

    assert not begun[STRANGER].is_unsure


def test_what_another_process_sends_is_left_to_it(settled: Database) -> None:
    """Its lease has not run out (R33)."""
    begin(settled, STRANGER, by="other")

    begun, standing = begin(settled, STRANGER)

    assert begun == {}
    assert standing[STRANGER] == StandingMail(STRANGER, MailState.BEGUN, "1-0", None, is_abandoned=False)


def test_what_a_dead_process_began_is_taken_over_as_unsure(settled: Database) -> None:
    """It may have been accepted: whoever takes it over is told (R33)."""
    begin(settled, STRANGER, by="dead")
    abandon(settled)

    begun, _ = begin(settled, STRANGER)

    assert begun[STRANGER].is_unsure
    assert rows(settled, "SELECT unsure, lease_token FROM mail_deliveries") == [{"unsure": 1, "lease_token": "mine"}]


def test_after_a_restart_of_postgresql_a_holder_may_still_report(restarted: Database) -> None:
    """Its lease ran out while PostgreSQL was away: for as long as a lease lasts nobody takes it over."""
    begin(restarted, STRANGER, by="other")
    abandon(restarted)

    begun, standing = begin(restarted, STRANGER)

    assert (begun, standing[STRANGER].is_abandoned) == ({}, False)


def test_where_an_operator_decides_an_abandoned_one_is_held(settled: Database) -> None:
    """PUBLISHER_MAIL_UNSURE=hold: it is not begun, and kept with its command (R33)."""
    begin(settled, STRANGER, by="dead")
    abandon(settled)

    begun, standing = begin(settled, STRANGER, take_over=False)
    held = hold_mail(settled, {STRANGER: '{"a": "1"}'}, TTL)

    assert (begun, standing[STRANGER].is_abandoned, held) == ({}, True, {STRANGER})
    assert hold_mail(settled, {STRANGER: '{"a": "1"}'}, TTL) == set()
    [row] = rows(settled, "SELECT state, unsure, command::text, held_at IS NOT NULL AS since FROM mail_deliveries")
    assert row == {"state": "held", "unsure": 1, "command": '{"a": "1"}', "since": True}


def test_a_sent_delivery_is_not_begun_again(database: Database) -> None:
    """Whatever command comes for it (R33): it says what was answered."""
    begin(database, STRANGER)
    set_state(database, f"state = 'sent', event = 'accepted', {OVER}")

    begun, standing = begin(database, STRANGER, entry="2-0")

    assert begun == {}
    assert standing[STRANGER] == StandingMail(STRANGER, MailState.SENT, "1-0", standing[STRANGER].event, False)
    assert standing[STRANGER].event == "accepted"


def test_a_delivery_that_was_given_up_is_begun_anew_by_another_command(database: Database) -> None:
    """An operator republished it. The same command, come again after a crash, changes nothing."""
    begin(database, STRANGER)
    set_state(database, f"state = 'given_up', event = 'failed', tries = 7, begun_at = now() - interval '1 day', {OVER}")

    same, _ = begin(database, STRANGER)
    other, _ = begin(database, STRANGER, entry="2-0")

    assert same == {}
    assert (other[STRANGER].tries, other[STRANGER].entry_id) == (0, "2-0")
    assert other[STRANGER].age < timedelta(minutes=1)


def test_a_lease_is_renewed_for_its_holder_alone(database: Database) -> None:
    """Whoever lost it is told. A retry stays findable by the end of its lease."""
    begin(database, "a", "b")
    execute(database, "UPDATE mail_deliveries SET lease_token = 'other' WHERE delivery_id = 'b'")

    assert renew_mail(database, "mine", ["a", "b"], TTL * 2) == {"a"}
    assert rows(
        database,
        "SELECT lease_expires_at > now() + interval '31 seconds' AS later, next_attempt_at FROM mail_deliveries"
        " WHERE delivery_id = 'a'",
    ) == [{"later": True, "next_attempt_at": None}]


def test_two_processes_that_begin_the_same_deliveries_share_them(database: Database) -> None:
    """In whatever order they come, none is begun twice, and neither waits for the other for ever (R15)."""
    names = [f"d{n:03}" for n in range(200)]
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(begin, database, *names, by="one")
        two = pool.submit(begin, database, *reversed(names), by="two")
        begun = [set(one.result()[0]), set(two.result()[0])]

    assert begun[0] | begun[1] == set(names)
    assert not begun[0] & begun[1]


def test_a_delivery_id_that_postgresql_cannot_hold_is_refused_alone(database: Database) -> None:
    """A stranger's command may name anything (R19a)."""
    with pytest.raises(DatabaseRefused):
        begin(database, "nul\0nul")
