"""The advice of explain, followed: a requeue helps once its condition holds, and never for a bad address (R3, R7)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import redis

from publisher.channels.email import EMAIL, encode
from publisher.domain.channel import Command
from publisher.domain.notification import Notification, Route
from publisher.domain.rate_limit import RateLimit
from publisher.operations.explain.explanation import Explanation
from publisher.operations.remedy.remedy import Advice, Remedy
from publisher.operations.remedy.wording import worded
from publisher.operations.trace import route_history
from publisher.operations.trace.lookup import find_notification
from publisher.operations.trace.route_history import notification_histories
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, dead_letter_ids, requeue
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import users
from tests.factories import CHANNELS, accepted
from tests.integration.buckets import bucket
from tests.integration.publishers import publisher
from tests.integration.rows import all_routes, change, due_routes, execute


def explanation(database: Database) -> Explanation:
    """The explanation of the only route."""
    [route] = all_routes(database)
    found = [find_notification(database, str(route["notification_id"]))]
    [history] = notification_histories(database, CHANNELS, found, limit=10)
    return history.routes[0].explanation


def remedies(database: Database) -> list[Remedy]:
    """The remedies that the explanation of the only route names."""
    return [sentence.remedy for sentence in explanation(database).next if isinstance(sentence, Advice)]


def take_back(database: Database) -> None:
    """Requeues the dead letter."""
    ids = dead_letter_ids(database, DeadLetterFilter(), before=None, limit=10)
    assert len(requeue(database, ids, "ann")) == 1


def broken_encoder(_notification: Notification, _route: Route) -> Command:
    """A bug of a package."""
    raise KeyError("a bug")


def email_channel(encoder: Callable[[Notification, Route], Command] = encode) -> dict[str, Any]:
    """The email channel with this encoder."""
    return {"email": replace(EMAIL, encode=encoder)}


def publish(database: Database, streams: OutboundStreams, channels: dict[str, Any]) -> str:
    """Publishes what is due, each with one attempt left. Returns the status of the only route."""
    change(database, [route["id"] for route in all_routes(database)], "max_attempts = 1")
    publisher(database, streams, channels=channels).publish_due("email")
    return str(all_routes(database)[0]["status"])


def test_a_requeue_helps_once_the_stream_takes_commands(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The key that is in the way is moved away, and the route that is taken back is published."""
    due_routes(database, 1)
    redis_client.set(EMAIL.stream, "no stream")
    attempt = partial(publish, database, streams, email_channel())
    assert attempt() == "dead_letter"
    assert remedies(database) == [Remedy.REQUEUE]

    redis_client.delete(EMAIL.stream)
    take_back(database)

    assert attempt() == "published"


def test_a_bucket_of_another_type_is_named(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The key of the rate limit is to be deleted, and not the stream (R30)."""
    due_routes(database, 1)
    redis_client.set(bucket("email"), "no bucket")
    limited = {"email": replace(EMAIL, rate=RateLimit(1000.0, 1000))}
    assert publish(database, streams, limited) == "dead_letter"
    said = " ".join(str(worded(sentence)) for sentence in (*explanation(database).why, *explanation(database).next))
    assert bucket("email") in said
    assert "once the key of the rate limit is deleted" in said.lower()
    assert "stream again" not in said
    redis_client.delete(bucket("email"))


def test_a_requeue_helps_once_the_encoder_is_mended(database: Database, streams: OutboundStreams) -> None:
    """A bug of the channel's package is no fault of the route."""
    due_routes(database, 1)
    assert publish(database, streams, email_channel(broken_encoder)) == "dead_letter"
    assert remedies(database) == [Remedy.REQUEUE]

    take_back(database)

    assert publish(database, streams, email_channel()) == "published"


def test_a_requeue_helps_once_workers_no_longer_end_on_it(database: Database, streams: OutboundStreams) -> None:
    """Five leases were lost; with them forgotten the next worker publishes it (R5a)."""
    [route] = due_routes(database, 1)
    change(database, [route], "lease_loss_count = 5")
    assert publish(database, streams, email_channel()) == "dead_letter"
    assert remedies(database) == [Remedy.REQUEUE]

    take_back(database)

    assert publish(database, streams, email_channel()) == "published"


@pytest.mark.parametrize("address", ["nobody", "a@b@example.com"])
def test_a_requeue_never_helps_a_bad_address(database: Database, streams: OutboundStreams, address: str) -> None:
    """The address is stored with the route: taken back, it fails again. So discard is named, and not requeue."""
    [route] = due_routes(database, 1)
    change(database, [route], f"resolved_email = '{address}'")
    assert publish(database, streams, email_channel()) == "dead_letter"
    assert remedies(database) == [Remedy.DISCARD]

    take_back(database)

    assert publish(database, streams, email_channel()) == "dead_letter"


def test_what_was_discarded_waits_no_more(database: Database, streams: OutboundStreams) -> None:
    """Its explanation names who did it, and nothing that is to be done."""
    [route] = due_routes(database, 1)
    change(database, [route], "resolved_email = 'nobody'")
    publish(database, streams, email_channel())

    execute(database, "UPDATE dead_letters SET discarded_at = now(), discarded_by = 'ann'")

    assert str(explanation(database).next[0]).startswith("Nothing: ann discarded it ")
    assert dead_letter_ids(database, DeadLetterFilter(), before=None, limit=10) == []


def test_of_many_dead_letters_those_of_the_shown_routes_are_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification may have more dead letters than are read: the route that is shown has its own all the same."""
    accepted(database, [{"recipients_json": users(3)}])
    execute(database, BURY)
    execute(database, "UPDATE dead_letters SET discarded_at = now(), discarded_by = 'ann'")
    monkeypatch.setattr(route_history, "_DEAD_LETTERS", 1)
    [id_] = {str(route["notification_id"]) for route in all_routes(database)}

    for route in all_routes(database):
        found = [find_notification(database, id_)]
        [history] = notification_histories(database, CHANNELS, found, str(route["route_id"]), limit=1)
        [shown] = history.routes
        assert str(shown.explanation.next[0]).startswith("Nothing: ann discarded it ")
    [whole] = notification_histories(database, CHANNELS, [find_notification(database, id_)], limit=1)
    assert str(whole.routes[0].explanation.next[0]).startswith("Nothing: ann discarded it ")
