"""Deliveries of which PostgreSQL keeps the command: when they are due, and who takes them over (R33)."""

from datetime import timedelta

import pytest

from publisher.domain.mail_outcome import MailOutcome, MailState
from storage.database import Database
from storage.mail.deliveries import begin_due_mail, hold_abandoned_retries, renew_mail, take_over_mail
from storage.mail.held import HeldFilter, send_held_mail
from storage.mail.outcomes import record_mail
from tests.integration.rows import execute, rows
from tests.integration.storage.mail.begun_mail import STRANGER, TTL, WAITING, abandon, begin, set_state


def test_deferred_deliveries_are_begun_once_their_time_has_come(database: Database) -> None:
    """Each with its command, by one process, and no more than asked for."""
    begin(database, *(f"d{n}" for n in range(5)))
    set_state(database, WAITING)
    execute(database, "UPDATE mail_deliveries SET next_attempt_at = now() + interval '1 hour' WHERE delivery_id = 'd4'")

    first = begin_due_mail(database, "one", TTL, 3)
    second = begin_due_mail(database, "two", TTL, 9)

    assert (len(first), len(second)) == (3, 1)
    assert {each.delivery_id for each in [*first, *second]} == {"d0", "d1", "d2", "d3"}
    assert {(each.tries, each.command, each.is_unsure) for each in first} == {(3, '{"a": "1"}', False)}


def test_a_retry_that_a_dead_process_began_is_found_again(settled: Database) -> None:
    """Its command stands on the stream no more: the end of its lease brings it back, unsure (R33)."""
    begin(settled, STRANGER)
    set_state(settled, WAITING)
    begin_due_mail(settled, "dead", TTL, 9)

    assert take_over_mail(settled, "mine", TTL) is None
    abandon(settled)
    assert begin_due_mail(settled, "mine", TTL, 9) == []
    found = take_over_mail(settled, "mine", TTL)

    assert found is not None
    assert (found.delivery_id, found.is_unsure, found.command) == (STRANGER, True, '{"a": "1"}')


def test_what_was_begun_while_the_reply_was_lost_comes_free_with_its_lease(settled: Database) -> None:
    """Its own process neither begins it again nor renews it: it is nowhere in hand, and nobody sends it (R33)."""
    begin(settled, "lost", "kept")
    set_state(settled, WAITING)
    [lost] = begin_due_mail(settled, "mine", TTL, 1)

    [kept] = begin_due_mail(settled, "mine", TTL, 9)
    assert take_over_mail(settled, "mine", TTL) is None
    abandon(settled)
    assert renew_mail(settled, "mine", [kept.delivery_id], TTL) == {kept.delivery_id}

    found = [take_over_mail(settled, "mine", TTL) for _ in range(2)]

    assert found[0] is not None
    assert (found[0].delivery_id, found[0].is_unsure, found[1]) == (lost.delivery_id, True, None)


def test_abandoned_retries_are_taken_over_one_by_one(settled: Database) -> None:
    """One that kills its process takes no other along (R33)."""
    begin(settled, "one", "two")
    set_state(settled, WAITING)
    begin_due_mail(settled, "dead", TTL, 9)
    abandon(settled)

    found = [take_over_mail(settled, "mine", TTL) for _ in range(3)]

    assert sorted(each.delivery_id for each in found if each) == ["one", "two"]
    assert found[2] is None


def test_a_retry_that_was_left_behind_five_times_is_held(settled: Database) -> None:
    """It may be what kills the processes: an operator decides (R33)."""
    begin(settled, STRANGER)
    set_state(settled, WAITING)
    begin_due_mail(settled, "dead", TTL, 9)
    for _ in range(5):
        abandon(settled)
        assert hold_abandoned_retries(settled, TTL, 5) == set()
        assert take_over_mail(settled, "dead too", TTL) is not None
    abandon(settled)

    assert hold_abandoned_retries(settled, TTL, 5) == {STRANGER}


@pytest.mark.parametrize(("was_tried", "held"), [(True, set()), (False, {STRANGER})])
def test_only_takeovers_in_a_row_count(settled: Database, was_tried: bool, held: set[str]) -> None:
    """An attempt that came to an end has killed nobody, even where its reply was lost (R33)."""
    begin(settled, STRANGER)
    set_state(settled, f"{WAITING}, unsure = 9")
    begin_due_mail(settled, "dead", TTL, 9)
    for _ in range(5):
        abandon(settled)
        assert take_over_mail(settled, "mine", TTL) is not None
    outcome = MailOutcome(STRANGER, MailState.WAITING, None, wait=timedelta(), was_tried=was_tried, is_unsure=was_tried)
    assert record_mail(settled, "mine", [outcome], timedelta()) == {STRANGER}

    assert len(begin_due_mail(settled, "dead too", TTL, 9)) == 1
    abandon(settled)

    assert hold_abandoned_retries(settled, TTL, 5) == held


def test_one_that_an_operator_sends_on_counts_anew(settled: Database) -> None:
    """It is held again after five more takeovers (R33)."""
    begin(settled, STRANGER)
    set_state(settled, f"{WAITING}, takeovers = 5")
    begin_due_mail(settled, "dead", TTL, 9)
    abandon(settled)
    assert hold_abandoned_retries(settled, TTL, 5) == {STRANGER}

    assert send_held_mail(settled, HeldFilter(), None, 9) == 1
    begin_due_mail(settled, "dead too", TTL, 9)
    abandon(settled)

    assert hold_abandoned_retries(settled, TTL, 5) == set()


def test_where_an_operator_decides_an_abandoned_retry_is_held(settled: Database) -> None:
    """It is begun by nobody (R33)."""
    begin(settled, STRANGER)
    set_state(settled, WAITING)
    begin_due_mail(settled, "dead", TTL, 9)
    abandon(settled)

    assert hold_abandoned_retries(settled, TTL) == {STRANGER}
    assert rows(settled, "SELECT state FROM mail_deliveries") == [{"state": "held"}]
