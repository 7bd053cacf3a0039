"""Messages that an operator decides about: which are found, and each is changed once (R33, R34)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from publisher.domain.delivery_event import EventKind
from storage.actions import begin_action, find_action
from storage.counts.outstanding import Waiting, read_outstanding
from storage.database import Database
from storage.mail.deliveries import Wanted, begin_due_mail, begin_mail
from storage.mail.held import (
    HeldFilter,
    SettledAs,
    count_held_mail,
    list_held_mail,
    send_held_mail,
    settle_held_mail,
)
from storage.mail.progress import DeferredMail, deferred_mail
from tests.integration.mail_rows import held_mail, sent_mail
from tests.integration.rows import execute, rows

ALL = HeldFilter()
TTL = timedelta(seconds=30)


def standing(database: Database, delivery_id: str) -> tuple[object, ...]:
    """State, event, and whether the command is kept."""
    [row] = rows(
        database, "SELECT state, event, command IS NOT NULL FROM mail_deliveries WHERE delivery_id = %s", delivery_id
    )
    return tuple(row.values())


def test_those_held_last_are_listed_first_page_by_page(database: Database) -> None:
    """With how often it is unsure that they were accepted; what is sent is not among them."""
    sent_mail(database)
    first, second, third = (held_mail(database, hours_ago=hours) for hours in (3, 2, 1))

    page = list_held_mail(database, ALL, before=None, limit=2)
    rest = list_held_mail(database, ALL, before=page[-1].delivery_id, limit=2)

    assert [each.delivery_id for each in page] == [third, second]
    assert [(each.delivery_id, each.notification_type, each.unsure, each.tries) for each in rest] == [
        (first, "game.turn.ready", 1, 2)
    ]


def test_what_is_sent_again_is_due_with_its_command_and_its_number_of_tries(database: Database) -> None:
    """The mail service takes it up as one that was deferred; the action counts it in the same statement (R34)."""
    delivery_id = held_mail(database)
    action = begin_action(database, "send-held-mail", "ann", {}, 1)

    assert send_held_mail(database, ALL, action, 10) == 1
    assert send_held_mail(database, ALL, action, 10) == 0

    assert find_action(database, action).done == 1
    [begun] = begin_due_mail(database, "token", TTL, 10)
    assert (begun.delivery_id, begun.tries, begun.is_unsure) == (delivery_id, 2, False)
    assert begun.command is not None


def test_what_is_settled_is_over_and_answered_so(database: Database) -> None:
    """One event of the source `operator` is recorded with it, and names the action (R32)."""
    accepted, failed = held_mail(database, hours_ago=2), held_mail(database, hours_ago=1)
    action = begin_action(database, "settle-held-mail", "ann", {}, 2)

    assert settle_held_mail(database, ALL, SettledAs.ACCEPTED, action, 1) == 1
    assert settle_held_mail(database, ALL, SettledAs.FAILED, action, 10) == 1

    assert standing(database, accepted) == ("sent", "accepted", False)
    assert standing(database, failed) == ("given_up", "failed", False)
    recorded = rows(
        database,
        "SELECT source, event, fault, diagnostic, answer FROM delivery_events AS d"
        " JOIN routes AS r ON r.id = d.route_key ORDER BY d.id",
    )
    text = f"an operator settled it: the reply of the SMTP server was lost (action {action})"
    assert [tuple(row.values()) for row in recorded] == [
        ("operator", "accepted", None, text, "accepted"),
        ("operator", "failed", "unknown", text, "failed"),
    ]
    assert find_action(database, action).done == 2


def test_a_command_that_comes_again_meets_what_the_operator_said(database: Database) -> None:
    """What was accepted is not sent again; what failed is begun anew by another command, and may be held anew."""
    accepted, failed = held_mail(database), held_mail(database)
    settle_held_mail(database, _of(accepted), SettledAs.ACCEPTED, None, 10)
    settle_held_mail(database, _of(failed), SettledAs.FAILED, None, 10)

    wanted = [Wanted(accepted, "2-0"), Wanted(failed, "2-0")]
    begun, others = begin_mail(database, wanted, "token", TTL, take_over=False)

    assert [*begun] == [failed]
    assert others[accepted].event is EventKind.ACCEPTED


def test_one_delivery_or_those_of_one_notification_or_those_of_then_are_meant(database: Database) -> None:
    """What is held later is not a part of a change that was counted before."""
    one, two = held_mail(database, hours_ago=1), held_mail(database)
    count, at = count_held_mail(database, ALL)
    execute(database, "UPDATE mail_deliveries SET held_at = now() + interval '1 minute' WHERE delivery_id = %s", two)

    assert count == 2
    assert count_held_mail(database, HeldFilter(until=at))[0] == 1
    assert count_held_mail(database, _of(one))[0] == 1
    assert count_held_mail(database, HeldFilter(one.partition("/")[0]))[0] == 1
    assert count_held_mail(database, HeldFilter(one.partition("/")[0], "email:user:8"))[0] == 0


def test_of_two_operators_each_message_is_changed_by_one(database: Database) -> None:
    """One waits for the other, and takes what comes next: together they change all, and none twice."""
    for _ in range(12):
        held_mail(database)
    action = begin_action(database, "send-held-mail", "ann", {}, 12)

    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: send_held_mail(database, ALL, action, 3), range(4)))

    assert changed == [3, 3, 3, 3]
    assert find_action(database, action).done == 12


def test_held_messages_wait_for_an_operator_and_deferred_ones_do_not(database: Database) -> None:
    """Both are counted up to a bound, with an age."""
    assert (read_outstanding(database).held_mail, deferred_mail(database)) == (Waiting(), DeferredMail())
    held_mail(database, hours_ago=2)
    held_mail(database, hours_ago=1)
    both = read_outstanding(database).held_mail

    send_held_mail(database, ALL, None, 1)

    assert (both.count, read_outstanding(database, bound=1).held_mail.is_bound) == (2, True)
    assert both.newest_age is not None
    assert timedelta(minutes=59) < both.newest_age < timedelta(minutes=90)
    assert read_outstanding(database).held_mail.count == 1
    assert (deferred_mail(database).count, deferred_mail(database, bound=1).is_bound) == (1, True)
    assert deferred_mail(database).oldest is not None


def _of(delivery_id: str) -> HeldFilter:
    notification_id, _, route_id = delivery_id.partition("/")
    return HeldFilter(notification_id, route_id)
