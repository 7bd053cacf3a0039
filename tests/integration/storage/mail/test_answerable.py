"""Deliveries that a report may be about: where they were sent, and whether we sent them."""

from datetime import timedelta

import pytest

from storage.database import Database
from storage.mail.answerable import find_answerable
from tests.integration.mail_rows import sent_mail
from tests.integration.rows import execute

DAYS = timedelta(days=30)


@pytest.mark.parametrize(
    ("state", "days_ago", "was_sent"),
    [
        ("sent", 0, True),
        ("sent", 29, True),
        ("sent", 31, False),
        ("given_up", 0, False),
        ("begun", 0, True),
        ("begun", 31, False),
        ("", 0, False),
    ],
)
def test_only_what_was_sent_lately_counts_as_sent(
    database: Database, state: str, days_ago: float, was_sent: bool
) -> None:
    """Each delivery comes with the address of its own route. A bounce can be quicker than the record of the sending."""
    sent_mail(database, "bob@example.com")
    delivery_id = sent_mail(database, state=state, days_ago=days_ago)

    [found] = find_answerable(database, [delivery_id.partition("/")[0]], DAYS)

    assert (found.delivery_id, found.address) == (delivery_id, "ann@example.com")
    assert found.was_sent is was_sent


def test_what_may_have_been_sent_counts_as_sent(database: Database) -> None:
    """Its reply was lost: a bounce of it proves that it was accepted."""
    delivery_id = sent_mail(database, state="given_up")
    execute(database, "UPDATE mail_deliveries SET unsure = 1")

    assert [d.was_sent for d in find_answerable(database, [delivery_id.partition("/")[0]], DAYS)] == [True]
