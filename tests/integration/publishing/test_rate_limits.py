"""Publishing within a channel's rate limit: no more is claimed than may go, and waiting counts nothing (R30)."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.circuit import GateState, Probing
from publisher.domain.notification import delivery_id_of
from publisher.publishing import publisher, sharing
from publisher.publishing.encoding import encode
from publisher.streams.append_result import OVER
from storage import gates
from storage.claiming import claims
from storage.claiming.due_groups import Places
from storage.database import Database
from tests.integration.buckets import bucket, fill, promised, tokens
from tests.integration.publishing.limited_workers import SLOW, Worker, waiting
from tests.integration.rows import REOPENED, all_routes, change, due_routes, one_route


def claimed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many routes each claim of due routes takes from now on."""
    counts: list[int] = []
    whole = sharing.claim_shares

    def counting(*arguments: Any, **options: Any) -> tuple[claims.Claim, Places]:
        claim, places = whole(*arguments, **options)
        counts.append(len(claim.routes))
        return claim, places

    monkeypatch.setattr(sharing, "claim_shares", counting)
    return counts


def test_no_more_is_claimed_than_may_go(
    worker: Worker, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With seven tokens seven of twenty due routes are claimed and published; the others are never leased."""
    due_routes(database, 20)
    fill(redis_client, 7.5)
    counts = claimed(monkeypatch)

    report = worker(SLOW).publish_due("email")

    assert (report.published, report.more, report.given_back, counts) == (7, False, False, [7])
    # Half a token is there, and half of one a millisecond is what the goal of one lacks.
    assert report.wait is not None
    assert report.wait.total_seconds() == pytest.approx(500, abs=10)
    assert waiting(database) == {("pending", 0, None, 0)}


def test_without_a_token_postgresql_is_not_asked(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """While the limit lets nothing through, a look costs one command of Redis."""
    due_routes(database, 2)
    fill(redis_client, 0.5)
    limited = worker(SLOW)
    database.close()

    report = limited.publish_due("email")

    assert (report.published, report.more) == (0, False)
    assert report.wait is not None


def test_when_all_is_published_nobody_waits(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """With tokens for more than is due the report names no wait, and what was promised in vain is given up."""
    due_routes(database, 3)
    fill(redis_client, 10.0)

    report = worker(SLOW).publish_due("email")

    assert (report.published, report.wait) == (3, None)
    assert promised(redis_client) == 0
    assert tokens(redis_client) == pytest.approx(7, abs=0.1)


def test_what_claimed_routes_do_not_take_is_promised_no_longer(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A bad address, a command that stands already and a route that has ended take no token, and hold none back."""
    ids = due_routes(database, 6)
    fill(redis_client, 20.0)
    limited = worker(SLOW)
    change(database, ids[:1], "resolved_email = 'nobody'")
    change(database, ids[3:], "next_attempt_at = now() + interval '1 hour'")
    assert limited.publish_due("email").published == 2
    assert promised(redis_client) == 0
    change(database, ids[1:2], REOPENED)
    change(database, ids[2:3], f"{REOPENED}, replay = replay + 1")
    change(database, ids[3:], "next_attempt_at = now()")
    ended = one_route(database, ids[3])
    limited._streams.end(
        [(EMAIL.stream, delivery_id_of(str(ended["notification_id"]), str(ended["route_id"])), 0)], [OVER]
    )

    limited.publish_due("email")

    assert redis_client.xlen(EMAIL.stream) == 5
    assert (promised(redis_client), tokens(redis_client)) == (0, pytest.approx(15, abs=0.1))


def test_a_batch_that_is_given_back_gives_up_its_promises(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A worker that stops after its claim leaves no promise behind."""
    due_routes(database, 6)
    fill(redis_client, 20.0)
    stops = iter([False])
    limited = worker(SLOW, stopping=lambda: next(stops, True))

    assert limited.publish_due("email").given_back
    assert promised(redis_client) == 0


def test_a_full_batch_is_followed_at_once(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """Where the limit lets a whole batch through, the next one begins elsewhere at once, as without a limit."""
    due_routes(database, 6)
    fill(redis_client, 20.0)
    told: list[int] = []

    report = worker(SLOW, batch_size=4).publish_due("email", on_more=lambda: told.append(1))

    assert (report.published, report.more, report.wait, told) == (4, True, None, [1])


def test_a_message_about_routes_is_a_wake_up(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """Of a channel with a limit the routes that have waited longest go, whichever the message names."""
    ids = due_routes(database, 10)
    fill(redis_client, 2.0)

    for _ in range(2):
        worker(SLOW).publish_these("email", ids[5:])

    assert [one_route(database, id_)["status"] for id_ in ids] == ["published"] * 2 + ["pending"] * 8


def test_what_finds_no_token_is_given_back_uncounted(
    worker: Worker, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Routes whose tokens another worker took before the append count neither an attempt nor a loss."""
    due_routes(database, 10)
    fill(redis_client, 10.0)
    limited = worker(SLOW, probing=Probing(refused_batches=1))
    monkeypatch.setattr(publisher, "encode", lambda *arguments: fill(redis_client, 4.0) or encode(*arguments))

    report = limited.publish_due("email")

    assert (report.published, report.more, report.rescheduled) == (4, False, [])
    assert report.wait is not None
    assert waiting(database) == {("pending", 0, None, 0)}
    assert gates.read_gates(database) == {}


def test_what_is_published_again_goes_within_the_limit(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A command that an operator has republished, or that Redis lost, takes a token as every other."""
    ids = due_routes(database, 4)
    fill(redis_client, 4.0)
    assert worker(SLOW).publish_due("email").published == 4
    change(database, ids, f"{REOPENED}, replay = replay + 1")
    fill(redis_client, 1.0)

    assert worker(SLOW).publish_due("email").published == 1
    assert redis_client.xlen(EMAIL.stream) == 5


def test_a_bucket_that_cannot_be_read_parks_its_channel(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A few routes are tried, and the reason of their refusal is the reason why the channel is parked."""
    due_routes(database, 20)
    redis_client.set(bucket("email"), "no bucket", ex=60)
    limited = worker(SLOW, probing=Probing(refused_batches=2))

    for _ in range(2):
        limited.publish_due("email")

    gate = gates.read_gates(database)["email"]
    assert (gate.state, redis_client.xlen(EMAIL.stream)) == (GateState.PARKED, 0)
    assert "WRONGTYPE" in (gate.park_reason or "")
    assert sum(row["attempt_count"] for row in all_routes(database)) == 10
    redis_client.delete(bucket("email"))


def test_a_paused_channel_gives_up_its_hope(worker: Worker, database: Database, redis_client: redis.Redis) -> None:
    """Where a pause keeps routes from being claimed, no tokens stay promised, and nobody waits for the limit."""
    due_routes(database, 3)
    fill(redis_client, 10.0)
    gates.pause(database, "email", "ann", "a test")

    report = worker(SLOW).publish_due("email")

    assert (report.published, report.wait, promised(redis_client)) == (0, None, 0)


def test_a_parked_channel_is_probed_within_the_limit(
    worker: Worker, database: Database, redis_client: redis.Redis
) -> None:
    """A probe takes tokens as every append does."""
    due_routes(database, 10)
    fill(redis_client, 1.0)
    probing = Probing(batch=5, first=timedelta(0))
    gates.note_held_back(database, "email", "a test", probing)

    report = worker(SLOW, probing=probing).publish_due("email")

    assert (report.published, redis_client.xlen(EMAIL.stream)) == (1, 1)
    assert waiting(database) == {("pending", 0, None, 0)}
