"""What the loss audit finds, and what it does not take for lost: late losses, renamed streams, windows (R12, R12a)."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from actors.context import Context
from actors.maintenance import audit_published
from publisher.channels.email import EMAIL
from publisher.domain.errors import RedisUnavailable
from storage.database import Database
from tests.integration.publishing.test_audit import deliveries, lose, lost, pending, publish
from tests.integration.rows import all_routes, change, execute
from tests.valkeys import OwnValkey

Install = Callable[..., Context]
NEW = "mail:commands-2"


def let_pass(database: Database, seconds: int) -> None:
    """So much time goes by: for every route and every audit."""
    ago = f"interval '{seconds} seconds'"
    execute(
        database,
        f"UPDATE routes SET published_at = published_at - {ago}, witness_until = witness_until - {ago}"
        " WHERE status = 'published'",
    )
    execute(database, f"UPDATE stream_audits SET audited_at = audited_at - {ago}, covered_to = covered_to - {ago}")


def published(database: Database) -> int:
    return sum(route["status"] == "published" for route in all_routes(database))


def test_a_redis_that_comes_back_empty_after_the_window_has_lost_everything(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """Redis loses what it had, is away for longer than the audit window, and comes back: all 20 of 20 return (R12a)."""
    context = install(PUBLISHER_AUDIT_WINDOW="4")
    audit_published("email")
    ids = publish(context, database, 20)
    redis_client.flushdb()
    let_pass(database, 9)

    audit_published("email")

    assert pending(database) == ids
    assert lost(context) == 20
    assert context.publisher.publish_these("email", ids).published == 20
    assert sum(deliveries(redis_client).values()) == 20


def test_a_loss_is_found_after_hours_without_a_worker(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """No worker ran for most of the dedup window: the next audit looks as far back as witnesses reach (R12a)."""
    context = install()
    audit_published("email")
    ids = publish(context, database, 5)
    redis_client.flushdb()
    let_pass(database, 3500)

    audit_published("email")

    assert pending(database) == ids


def test_an_audit_that_failed_for_long_catches_up(
    install: Install, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While audits fail nothing counts as looked at: the first that succeeds looks at all of it (R12a)."""
    context = install()
    audit_published("email")
    ids = publish(context, database, 5)
    lose(redis_client, database, ids[2])

    def away(*_: Any) -> list[str | None]:
        raise RedisUnavailable("Redis is not available")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(context.streams, "witnesses", away)
        for _ in range(4):
            let_pass(database, 400)
            with pytest.raises(RedisUnavailable):
                audit_published("email")

    audit_published("email")

    assert pending(database) == [ids[2]]


def test_a_renamed_stream_loses_nothing(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """After a deploy that renames a channel's stream, what stands on the old one is not sent again (R12a)."""
    publish(install(), database, 5)
    install(PUBLISHER_EMAIL_STREAM=NEW)
    before = all_routes(database)

    audit_published("email")
    let_pass(database, 400)
    audit_published("email")

    assert published(database) == 5
    assert {route["stream"] for route in before} == {EMAIL.stream}


def test_a_loss_on_the_old_stream_is_found_and_published_on_the_new_one(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """What Redis lost of a stream that was renamed since goes to the stream there is now (R12a)."""
    ids = publish(install(), database, 3)
    lose(redis_client, database, ids[1])
    context = install(PUBLISHER_EMAIL_STREAM=NEW)

    audit_published("email")
    assert pending(database) == [ids[1]]
    context.publisher.publish_these("email", ids)

    assert (redis_client.xlen(EMAIL.stream), redis_client.xlen(NEW)) == (2, 1)


def test_two_names_in_an_overlap_take_nothing_for_lost(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """While processes of both names audit in turns, Redis stays the same, and nothing is lost (R15)."""
    old, new = install(), install(PUBLISHER_EMAIL_STREAM=NEW)
    publish(old, database, 3)
    publish(new, database, 2)
    assert old.streams.identities()(EMAIL.address) == new.streams.identities()(EMAIL.address)

    for context in (old, new, old, new):
        let_pass(database, 301)
        assert context.loss_audit.run("email") == 0

    assert published(database) == 5


def test_widened_windows_publish_nothing_again(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """Witnesses live as long as yesterday's setting said: the audit of a wider window looks for no others (R12a)."""
    context = install(PUBLISHER_DEDUP_WINDOW="60", PUBLISHER_AUDIT_WINDOW="20", PUBLISHER_SCAN_INTERVAL="5")
    ids = publish(context, database, 5)
    let_pass(database, 120)
    redis_client.flushdb()
    install(PUBLISHER_DEDUP_WINDOW="7200", PUBLISHER_AUDIT_WINDOW="3600")

    audit_published("email")

    assert published(database) == len(ids)


def test_a_witness_that_may_end_before_it_is_missed_is_not_taken_for_lost(
    install: Install, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An auditor is paused until witnesses end by themselves, and asks for them then: that is no loss (R12a)."""
    context = install()
    ids = publish(context, database, 2)
    look = context.streams.witnesses

    def then_paused(asked: Any) -> list[str | None]:
        change(database, ids[:1], "witness_until = now() - interval '1 second'")
        redis_client.flushdb()
        return look(asked)

    monkeypatch.setattr(context.streams, "witnesses", then_paused)
    audit_published("email")

    assert pending(database) == ids[1:]


def test_a_command_without_a_witness_is_left_alone(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """Where a witness could not be set there is none to be missed (R12a)."""
    context = install()
    ids = publish(context, database, 1)
    change(database, ids, "witness_until = published_at")
    redis_client.flushdb()

    audit_published("email")

    assert published(database) == 1


def test_a_tombstone_in_the_place_of_a_witness_is_none(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """A witness is an entry id: any other text says that no command stands (R12a)."""
    context = install()
    publish(context, database, 1)
    [key] = redis_client.keys("*witness*")
    redis_client.set(key, "expired", keepttl=True)
    redis_client.delete(EMAIL.stream)

    assert context.loss_audit.run("email") == 1


def test_a_loss_is_found_where_info_is_denied(
    own_valkey: OwnValkey, own_client: redis.Redis, install: Install, database: Database
) -> None:
    """A managed Redis whose user lacks @dangerous is audited like any other: 20 of 20 come back (R12a)."""
    own_client.execute_command("ACL", "SETUSER", "default", "-@dangerous", "+flushdb")
    context = install(REDIS_URL=own_valkey.url)
    publish(context, database, 20)
    audit_published("email")
    own_client.flushdb()

    audit_published("email")

    assert len(pending(database)) == 20
