"""Deliveries of the mail service in every state, as `storage.mail.deliveries` leaves them."""

from datetime import timedelta

import pytest

from storage.database import Database
from storage.mail import deliveries as mail_deliveries
from storage.mail.deliveries import BegunMail, StandingMail, Wanted, begin_mail
from tests.integration.rows import execute

TTL = timedelta(seconds=30)
STRANGER = "a-delivery-of-nobody-we-know"


def begin(
    database: Database, *deliveries: str, by: str = "mine", entry: str = "1-0", take_over: bool = True
) -> tuple[dict[str, BegunMail], dict[str, StandingMail]]:
    """Begins these deliveries, each asked for by that entry."""
    begun, standing = begin_mail(database, [Wanted(each, entry) for each in deliveries], by, TTL, take_over=take_over)
    return dict(begun), dict(standing)


def set_state(database: Database, assignments: str) -> None:
    """Changes columns of every delivery; the assignments are SQL."""
    execute(database, f"UPDATE mail_deliveries SET {assignments}")


def abandon(database: Database) -> None:
    """The process that has begun them died long ago: its leases ran out a second ago."""
    execute(
        database,
        "UPDATE mail_deliveries SET begun_at = begun_at - interval '1 minute',"
        " lease_expires_at = now() - interval '1 second', next_attempt_at ="
        " CASE WHEN next_attempt_at IS NOT NULL THEN now() - interval '1 second' END",
    )


# Columns of a delivery that is over, and of one that is deferred, and due.
OVER = "lease_token = NULL, lease_expires_at = NULL, ended_at = now()"
WAITING = (
    "state = 'waiting', lease_token = NULL, lease_expires_at = NULL, tries = 3, command = '{\"a\": \"1\"}',"
    " next_attempt_at = now() - interval '1 second'"
)


def started(database: Database, monkeypatch: pytest.MonkeyPatch, ago: str) -> Database:
    """PostgreSQL was started so long ago, as the statements see it."""
    execute(
        database,
        "CREATE FUNCTION public.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql AS"
        f" $$ SELECT now() - interval '{ago}' $$",
    )
    for name in ("_BEGIN", "_STANDING", "_TAKE_OVER", "_HOLD", "_HOLD_DUE"):
        seen = str(getattr(mail_deliveries, name)).replace(
            "pg_postmaster_start_time", "public.pg_postmaster_start_time"
        )
        monkeypatch.setattr(mail_deliveries, name, seen)
    return database
