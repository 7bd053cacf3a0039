"""Promises of tokens: a worker hopes for them before it claims, and they end if it dies (R30)."""

import pytest
import redis

from publisher.channels.push import PUSH
from publisher.domain.rate_limit import RateLimit
from publisher.streams.outbound import OutboundStreams
from publisher.streams.rate_limits import RateLimits
from publisher.streams.servers.stream_servers import StreamServers
from tests.integration.buckets import now_us
from tests.integration.streams.limited_appends import HOUR_US, KEY, SLOW, deliveries, fill_push, words

# Half of the longest life of a promise (bucket.lua).
PERIOD_US = 500_000


@pytest.fixture
def limits(redis_client: redis.Redis) -> RateLimits:
    return RateLimits(StreamServers(redis_client))


def test_what_one_worker_hopes_for_no_other_does(limits: RateLimits, redis_client: redis.Redis) -> None:
    """A promise holds its tokens for the worker that got it; the next one gets what is left."""
    fill_push(redis_client, 7.2)

    assert [limits.hope(PUSH, SLOW, 5).tokens for _ in range(3)] == [5, 2, 0]
    # The goal is one token, and 0.2 are there.
    assert limits.hope(PUSH, SLOW, 5).wait.total_seconds() == pytest.approx(800, abs=10)


def test_a_promise_that_is_given_up_is_another_workers(limits: RateLimits, redis_client: redis.Redis) -> None:
    """Of ten promised tokens four are given up, and hoped for again."""
    fill_push(redis_client, 10.0)
    limits.hope(PUSH, SLOW, 10)

    limits.forgo(PUSH, SLOW, 4)

    assert limits.hope(PUSH, SLOW, 10).tokens == 4


def test_an_append_redeems_a_promise(limits: RateLimits, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """Tokens that were taken are no longer promised: a bucket that is filled again gives new hope at once."""
    fill_push(redis_client, 4.0)
    limits.hope(PUSH, SLOW, 4)
    streams.append(PUSH, deliveries(4), limit=SLOW)

    fill_push(redis_client, 3.0)

    assert limits.hope(PUSH, SLOW, 10).tokens == 3


@pytest.mark.parametrize("left", [-PERIOD_US - 1, HOUR_US])
def test_a_promise_ends_by_itself(limits: RateLimits, redis_client: redis.Redis, left: int) -> None:
    """After two periods, if its worker died; and at once if the clock was set back, which would keep it for long."""
    fill_push(redis_client, 6.0, promised=6, promised_before=6, promised_until=now_us(redis_client) + left)

    assert limits.hope(PUSH, SLOW, 10).tokens == 6


def test_a_promise_outlives_its_period_once(limits: RateLimits, redis_client: redis.Redis) -> None:
    """The promises of the period before still hold their tokens, those before them do not; no grant renews them."""
    for promised, before, granted in ((3, 5, 7), (0, 3, 10)):
        ended = now_us(redis_client) - 1
        fill_push(redis_client, 10.0, promised=promised, promised_before=before, promised_until=ended)

        assert limits.hope(PUSH, SLOW, 10).tokens == granted


@pytest.mark.parametrize("burst", [14, 28])
@pytest.mark.parametrize("leaked", [10, 3])
def test_promises_that_nobody_redeems_cost_no_rate(
    limits: RateLimits, streams: OutboundStreams, redis_client: redis.Redis, leaked: int, burst: int
) -> None:
    """One token in ten, or in three, is promised to a worker that dies: over minutes the rate stays within 2 %."""
    limit, taken, promised, slept = RateLimit(14.0, burst), 0, 0, 0
    limits.hope(PUSH, limit, 500)
    while slept < 180_000_000:
        hope = limits.hope(PUSH, limit, 500)
        kept = sum((promised + n) % leaked != 0 for n in range(hope.tokens))
        taken += words(streams.append(PUSH, deliveries(kept, taken), limit=limit)).count("new")
        promised += hope.tokens
        slept += (waited := round(hope.wait.total_seconds() * 1e6))
        # Time passes for the bucket alone.
        redis_client.hincrby(KEY, "at", -waited)
        redis_client.hincrby(KEY, "promised_until", -waited)

    # Without the time that this loop took: a machine that stands still for longer than a burst lasts loses tokens.
    assert taken >= 0.98 * limit.per_second * slept / 1e6


def test_hope_begins_a_bucket(limits: RateLimits, redis_client: redis.Redis) -> None:
    """Asking fills a new bucket from now on, although nothing was appended yet."""
    assert limits.hope(PUSH, RateLimit(10.0, 10), 5).tokens == 0
    assert redis_client.hget(KEY, "at") is not None
