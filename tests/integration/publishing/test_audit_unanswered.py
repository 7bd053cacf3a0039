"""The loss audit looks for every unanswered command that this deployment's own mail service sends (R12a, R33)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from actors.context import Context
from actors.maintenance import audit_published
from publisher.domain.delivery_event import DeliveryEvent, EventKind
from publisher.domain.instants import EPOCH
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from tests.integration.publishing.test_audit import deliveries, pending, publish
from tests.integration.publishing.test_audit_reach import let_pass
from tests.integration.rows import execute, rows

Install = Callable[..., Context]
OURS = {
    "PUBLISHER_SMTP_URL": "smtp://127.0.0.1:1",
    "PUBLISHER_MAIL_FROM": "a@example.com",
    "PUBLISHER_MAIL_TEMPLATES": str(Path(__file__).parent),
}
_DELIVERY_ID = """
SELECT notification_id || '/' || route_id AS id FROM routes JOIN notifications AS n ON n.id = notification_key
WHERE routes.id = %s
"""


def answer(database: Database, route: int) -> None:
    """The mail service has sent this route's message."""
    [row] = rows(database, _DELIVERY_ID, route)
    event = DeliveryEvent("e", row["id"], EventKind.ACCEPTED, EPOCH, "mailer")
    with database.unit() as connection:
        record_events(connection, [IncomingEvent(event)])


def published_long_ago(context: Context, database: Database) -> Sequence[int]:
    """Three routes, published earlier than an audit looks back, and audited since. Of the first the message is sent."""
    ids = publish(context, database, 3)
    answer(database, ids[0])
    let_pass(database, 1000)
    audit_published("email")
    return ids


def first_answer_came(database: Database, *, seconds_ago: int) -> None:
    execute(database, "UPDATE delivery_events SET recorded_at = now() - %s * interval '1 second'", seconds_ago)


def test_what_nobody_has_answered_is_published_again_after_a_loss(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """The mail service was behind by more than the window when Redis lost its data: no email is lost by that (R12a)."""
    context = install(**OURS)
    ids = published_long_ago(context, database)
    first_answer_came(database, seconds_ago=2000)
    redis_client.flushdb()

    audit_published("email")

    assert pending(database) == ids[1:]
    assert context.publisher.publish_these("email", ids).published == 2
    assert sum(deliveries(redis_client).values()) == 2


@pytest.mark.parametrize(
    ("settings", "seconds_ago"),
    [
        pytest.param({}, 2000, id="another mail service reads the commands"),
        pytest.param(OURS, 500, id="published before the first answer"),
    ],
)
def test_what_another_mail_service_may_have_sent_is_left(
    install: Install, database: Database, redis_client: redis.Redis, settings: dict[str, str], seconds_ago: int
) -> None:
    """It may answer late, or not at all: an hour of its mail is not sent again (R12a)."""
    context = install(**settings)
    published_long_ago(context, database)
    first_answer_came(database, seconds_ago=seconds_ago)
    redis_client.flushdb()

    audit_published("email")

    assert pending(database) == []


def test_commands_that_stand_are_left(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """Redis was restarted and has lost nothing: what waits on the stream for the mail service goes on waiting."""
    context = install(**OURS)
    published_long_ago(context, database)
    first_answer_came(database, seconds_ago=2000)
    execute(database, "UPDATE stream_audits SET identity = 'another'")

    audit_published("email")

    assert pending(database) == []
    assert sum(deliveries(redis_client).values()) == 3
