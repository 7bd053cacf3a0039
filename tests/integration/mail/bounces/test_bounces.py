"""Bounces from a mailbox: recorded once, attributed to what was sent, and suppressing the right address (R32, R33)."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.domain.delivery_event import EventKind
from publisher.domain.suppression import SuppressionReason
from publisher.mail.bounces.bounces import Tally, read_mailbox
from publisher.mail.bounces.mailbox import Mark
from publisher.mail.bounces.opening import open_mailbox
from publisher.mail.messages.references import message_id, reference_of, return_path
from publisher.settings.mailbox_url import read_mailbox_url
from storage.database import Database
from storage.mail.reference_key import mail_reference_key
from storage.mail.suppressions import SuppressionFilter, list_suppressions, remove_suppression
from tests.integration.mail_rows import ADDRESS, sent_mail
from tests.integration.roles import GRANTS, plain_role
from tests.integration.rows import all_routes, rows
from tests.mail_reports import arf, dsn, recipient
from tests.maildirs import deliver, made_maildir, names

DAYS = timedelta(days=30)
DOMAIN = "mail.example.com"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An empty maildir."""
    return made_maildir(tmp_path / "box")


def read(database: Database, box: Path, *, dry_run: bool = False, kept: timedelta = DAYS) -> Tally:
    """Reads the maildir."""
    with open_mailbox(read_mailbox_url(str(box))) as mailbox:
        return read_mailbox(database, mailbox, kept, mail_reference_key(database), dry_run=dry_run)


def bounce(database: Database, delivery_id: str, *recipients: str) -> bytes:
    """A bounce of the delivery, which it names by the Message-ID that it returns."""
    original = f"Message-ID: {message_id(reference_of(delivery_id, mail_reference_key(database)), DOMAIN)}\n"
    return dsn(*(recipients or [recipient(address=ADDRESS)]), original=original)


def answers(database: Database) -> list[tuple[str | None, bool]]:
    """The answer of each route, and whether it was complained of."""
    return [(route["answer"], route["complained"]) for route in all_routes(database)]


def suppressed(database: Database) -> list[tuple[str, SuppressionReason, str | None]]:
    """What is suppressed, why, and because of which delivery."""
    found = list_suppressions(database, SuppressionFilter(), before=None, limit=9)
    return [(each.address, each.reason, each.delivery_id) for each in found]


def test_a_bounce_is_answered_and_suppresses_the_address(database: Database, box: Path) -> None:
    """The event is recorded, the route says bounced, and the message is marked as seen."""
    delivery_id = sent_mail(database)
    deliver(box, bounce(database, delivery_id))

    tally = read(database, box)

    assert (tally.events, tally.recorded, tally.suppressed, tally.flagged) == ({EventKind.BOUNCED: 1}, 1, 1, 0)
    assert answers(database) == [("bounced", False)]
    assert suppressed(database) == [(ADDRESS, SuppressionReason.BOUNCED, delivery_id)]
    [event] = rows(database, "SELECT source, event, permanence, fault, enhanced_code, diagnostic FROM delivery_events")
    assert tuple(event.values())[:5] == ("dsn", "bounced", "permanent", "recipient", "5.1.1")
    assert "ann@" not in event["diagnostic"]
    assert [name[-4:] for name in names(box, "cur")] == [":2,S"]


def test_a_complaint_by_the_return_path_sets_the_flag(database: Database, box: Path) -> None:
    """It needs no Message-ID: the address that the message came from is enough (VERP)."""
    delivery_id = sent_mail(database)
    deliver(box, arf(original_from=f"<{return_path(reference_of(delivery_id, mail_reference_key(database)), DOMAIN)}>"))

    assert read(database, box).events == {EventKind.COMPLAINED: 1}
    assert answers(database) == [(None, True)]
    assert suppressed(database) == [(ADDRESS, SuppressionReason.COMPLAINED, delivery_id)]


def test_a_crash_before_the_mark_repeats_harmlessly(database: Database, box: Path) -> None:
    """The message is read again: no second event, and a suppression that was removed meanwhile does not come back."""
    deliver(box, bounce(database, sent_mail(database)))

    class Killed(Exception):
        pass

    with ExitStack() as stack:
        mailbox = stack.enter_context(open_mailbox(read_mailbox_url(str(box))))

        def mark(keys: Sequence[str], mark: Mark) -> None:
            raise Killed

        mailbox.mark = mark  # type: ignore[method-assign]
        with pytest.raises(Killed):
            read_mailbox(database, mailbox, DAYS, mail_reference_key(database))
    assert remove_suppression(database, ADDRESS) is not None

    tally = read(database, box)

    assert (tally.events, tally.recorded, tally.suppressed) == ({EventKind.BOUNCED: 1}, 0, 0)
    assert len(rows(database, "SELECT FROM delivery_events")) == 1
    assert suppressed(database) == []
    assert names(box, "new") == []


@pytest.mark.parametrize(("state", "days_ago"), [("", 0), ("given_up", 0), ("sent", 31)])
def test_nobody_answers_for_what_was_not_sent_lately(
    database: Database, box: Path, state: str, days_ago: float
) -> None:
    """A delivery id can be guessed; that is not enough."""
    deliver(box, bounce(database, sent_mail(database, state=state, days_ago=days_ago)))

    tally = read(database, box)

    assert tally.not_ours == {"it names a delivery that was not sent from here within 30 days": 1}
    assert (answers(database), suppressed(database)) == ([(None, False)], [])


def test_who_knows_a_delivery_id_cannot_make_its_bounce(database: Database, box: Path) -> None:
    """A recipient knows the notification's id from its own message, and guesses the route of another one (R33)."""
    delivery_id = sent_mail(database)
    for key in (b"", mail_reference_key(database)[:-1], b"another key"):
        guessed = reference_of(delivery_id, key)
        original = f"X-Delivery-Id: {delivery_id}\nMessage-ID: {message_id(guessed, DOMAIN)}\n"
        deliver(box, dsn(recipient(address=ADDRESS), original=original))
        deliver(box, arf(original_from=f"<{return_path(guessed, DOMAIN)}>"))

    tally = read(database, box)

    assert tally.not_ours == {"it names a delivery that is unknown here, or was pruned": 6}
    assert (answers(database), suppressed(database)) == ([(None, False)], [])


def test_a_report_suppresses_no_address_of_its_own_choice(database: Database, box: Path) -> None:
    """Whatever recipient it names: the address is that of the delivery's route."""
    deliver(box, bounce(database, sent_mail(database), recipient(address="victim@example.net")))

    read(database, box)

    assert [address for address, *_ in suppressed(database)] == [ADDRESS]


def test_what_passes_suppresses_nothing(database: Database, box: Path) -> None:
    """A full mailbox, a blocked server; and no bounce where PUBLISHER_MAIL_SUPPRESS is 0."""
    deliver(box, bounce(database, sent_mail(database), recipient(status="4.2.2")))
    deliver(box, bounce(database, sent_mail(database), recipient(status="5.7.1")))

    assert read(database, box).events == {EventKind.BOUNCED: 2}
    deliver(box, bounce(database, sent_mail(database)))
    assert read(database, box, kept=timedelta()).suppressed == 0
    assert suppressed(database) == []


def test_what_cannot_be_attributed_is_flagged_and_counted(database: Database, box: Path) -> None:
    """It stays unread for a person, and is not read again; nothing is deleted."""
    deliver(box, dsn(recipient(), original="Message-ID: <another@example.org>\n"))
    deliver(box, b"Subject: Out of office\n\nUntil Monday.")
    deliver(box, bounce(database, "0b6f5c1e-8f6a-5d2b-9a43-1f2e3d4c5b6a/email:user:7"))

    tally = read(database, box)

    assert tally.not_ours == {
        "it names no delivery of ours": 1,
        "it names a delivery that is unknown here, or was pruned": 1,
    }
    assert tally.no_report == {"it has neither a delivery status nor a feedback report": 1}
    assert [name[-4:] for name in names(box, "cur")] == [":2,F"] * 3
    assert read(database, box).messages == 0


def test_a_dry_run_changes_nothing(database: Database, box: Path) -> None:
    """It says what there is."""
    deliver(box, bounce(database, sent_mail(database)))

    assert read(database, box, dry_run=True).events == {EventKind.BOUNCED: 1}
    assert (answers(database), suppressed(database)) == ([(None, False)], [])
    assert len(names(box, "new")) == 1


def test_the_rights_of_the_service_are_enough(database: Database, database_url: str, box: Path) -> None:
    """A role with the statements to paste finds, records and suppresses."""
    deliver(box, bounce(database, sent_mail(database)))

    with plain_role(database_url, *GRANTS) as url, closing(Database(url, application_name="plain")) as plain:
        tally = read(plain, box)

    assert (tally.recorded, tally.suppressed) == (1, 1)
