"""The loss audit by message, and by hand: what Redis lost is published again (R12a)."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis

from actors.context import Context
from actors.maintenance import audit_published
from publisher.channels.email import EMAIL
from publisher.domain.errors import RedisUnavailable
from publisher.publishing import loss_audit
from publisher.streams.keys import witness_key
from storage.database import Database
from tests.integration.dramatiq_messages import held, wait_for_quiet
from tests.integration.rows import all_routes, change, due_routes, execute, rows
from tests.waiting import wait_until

Install = Callable[..., Context]
StartWorker = Callable[[], dramatiq.Worker]


def publish(context: Context, database: Database, count: int) -> list[int]:
    """So many routes, published just now."""
    ids = due_routes(database, count)
    assert context.publisher.publish_these("email", ids).published == count
    return ids


def lose(client: redis.Redis, database: Database, id_: int) -> None:
    """Redis forgets this route's command and its witness."""
    [route] = [r for r in all_routes(database) if r["id"] == id_]
    client.xdel(EMAIL.stream, route["stream_entry_id"])
    client.delete(witness_key(EMAIL.stream, f"{route['notification_id']}/{route['route_id']}"))


def lost(context: Context) -> float:
    """How many lost routes were counted."""
    return context.telemetry.registry.get_sample_value("routes_lost_total", {"channel": "email"}) or 0.0


def pending(database: Database) -> list[int]:
    return [route["id"] for route in all_routes(database) if route["status"] == "pending"]


def deliveries(client: redis.Redis) -> Counter[str]:
    """How often each delivery stands on the stream."""
    return Counter(fields[b"delivery_id"].decode() for _, fields in client.xrange(EMAIL.stream))


def age_audit(database: Database, seconds: float) -> None:
    execute(database, "UPDATE stream_audits SET audited_at = audited_at - %s * interval '1 second'", seconds)


def test_a_lost_route_is_pending_again(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """Exactly the route whose command Redis lost goes back to pending, is counted, and a scan is asked for."""
    ids = publish(context, database, 3)
    lose(redis_client, database, ids[1])

    audit_published("email")

    assert pending(database) == [ids[1]]
    assert lost(context) == 1
    assert [m["actor_name"] for m in held(redis_client, "email")] == ["scan_due_routes"]


def test_what_an_emptied_redis_lost_is_published_again(
    context: Context, start_worker: StartWorker, database: Database, redis_client: redis.Redis
) -> None:
    """After a FLUSHALL every command of the window stands on the stream again, once, under its own id."""
    publish(context, database, 5)
    before = deliveries(redis_client)
    redis_client.flushdb()
    start_worker()

    audit_published.send("email")
    wait_until(lambda: len(deliveries(redis_client)) == 5, describe=lambda: all_routes(database))
    wait_for_quiet(redis_client, "email")

    assert deliveries(redis_client) == before
    assert {route["status"] for route in all_routes(database)} == {"published"}
    assert lost(context) == 5


def test_nothing_lost_is_nothing_changed(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """An audit that finds every witness changes no route and asks for no scan."""
    publish(context, database, 3)
    before = all_routes(database)

    audit_published("email")

    assert all_routes(database) == before
    assert lost(context) == 0
    assert held(redis_client, "email") == []


def test_routes_older_than_the_window_are_left_alone(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """What the last completed audit found, and was published a window before, is not looked at again."""
    context = install(PUBLISHER_AUDIT_WINDOW="600")
    audit_published("email")
    age_audit(database, 3600)
    inside, outside = publish(context, database, 2)
    change(database, [inside], "published_at = now() - interval '590 seconds'")
    change(database, [outside], "published_at = now() - interval '601 seconds'")
    lose(redis_client, database, inside)
    lose(redis_client, database, outside)

    audit_published("email")

    assert pending(database) == [inside]


def test_routes_that_are_not_published_are_left_alone(context: Context, database: Database) -> None:
    """Only published routes can have been lost."""
    ids = due_routes(database, 3)
    change(database, ids[:1], "status = 'failed', attempt_count = 1, next_attempt_at = now() + interval '1 hour'")
    change(database, ids[1:2], "status = 'skipped', next_attempt_at = NULL")
    before = all_routes(database)

    audit_published("email")

    assert all_routes(database) == before


@pytest.mark.parametrize(("age", "looks"), [(290, False), (310, True)])
def test_an_audit_looks_twice_a_window(
    age: int, looks: bool, install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """While Redis stays the same an audit looks again after half a window, and not before."""
    context = install(PUBLISHER_AUDIT_WINDOW="600")
    ids = publish(context, database, 1)
    audit_published("email")
    lose(redis_client, database, ids[0])
    age_audit(database, age)

    audit_published("email")

    assert pending(database) == (ids if looks else [])


def test_a_changed_redis_is_audited_at_once(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """When Redis was emptied since the last audit, the next one looks at once."""
    ids = publish(context, database, 2)
    audit_published("email")
    redis_client.flushdb()

    audit_published("email")

    assert pending(database) == ids


def test_an_audit_walks_page_by_page(
    context: Context, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit of more routes than a page finds the lost ones on every page."""
    monkeypatch.setattr(loss_audit, "_PAGE", 2)
    ids = publish(context, database, 7)
    for id_ in (ids[0], ids[3], ids[6]):
        lose(redis_client, database, id_)

    audit_published("email")

    assert pending(database) == [ids[0], ids[3], ids[6]]


def test_an_audit_that_failed_is_not_taken_for_done(
    context: Context, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit cut short changes nothing it did not look at, and the next one looks at everything again."""
    monkeypatch.setattr(loss_audit, "_PAGE", 1)
    ids = publish(context, database, 2)
    redis_client.flushdb()
    whole = context.streams.witnesses
    replies: list[Any] = [None, RedisUnavailable("Redis is not available: Timeout reading from socket")]

    def fails_at_the_second_page(*arguments: Any) -> list[str | None]:
        if replies and (reply := replies.pop(0)):
            raise reply
        return whole(*arguments)

    monkeypatch.setattr(context.streams, "witnesses", fails_at_the_second_page)
    with pytest.raises(RedisUnavailable):
        audit_published("email")
    assert pending(database) == ids[:1]
    assert rows(database, "SELECT covered_to, auditor FROM stream_audits") == [{"covered_to": None, "auditor": None}]

    audit_published("email")

    assert pending(database) == ids


def test_a_redis_that_is_away_has_lost_nothing(install: Install, database: Database) -> None:
    """An audit that cannot reach Redis fails, and every route stays published."""
    context = install()
    publish(context, database, 2)
    before = all_routes(database)
    install(REDIS_URL="redis://127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable):
        audit_published("email")

    assert all_routes(database) == before


def test_an_audited_route_has_all_its_attempts_again(
    context: Context, database: Database, redis_client: redis.Redis
) -> None:
    """A route that was published at its last attempt is not dead-lettered for Redis's loss."""
    ids = publish(context, database, 1)
    change(database, ids, "attempt_count = max_attempts - 1")
    lose(redis_client, database, ids[0])

    audit_published("email")

    [route] = all_routes(database)
    assert (route["status"], route["attempt_count"], route["published_at"], route["stream_entry_id"]) == (
        ("pending", 0, None, None)
    )


def test_channels_are_audited_apart(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """An audit of one channel says nothing of another (R16)."""
    ids = publish(context, database, 1)
    audit_published("push")
    lose(redis_client, database, ids[0])

    audit_published("push")
    assert pending(database) == []

    audit_published("email")
    assert pending(database) == ids
