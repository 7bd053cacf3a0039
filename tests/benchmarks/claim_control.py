"""Claims under control: beside holds, over many producers, and urgent routes beside a drain of bulk (R29, R31)."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from publisher.channels.email import EMAIL
from publisher.domain.backoff import Backoff
from publisher.local.embedded import Servers
from publisher.publishing.policy import Policy
from publisher.publishing.sharing import Sharing
from storage.claiming.claims import claim_due
from storage.claiming.leases import release
from storage.group_keys import GROUP_KEY
from storage.holds import HoldCriteria, add_hold
from tests.benchmarks.intake import intent
from tests.benchmarks.latency import summarized
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size
from tests.benchmarks.stage import EMAIL_STREAM, INTENTS_STREAM, PUSH_STREAM, Stage, stage
from tests.conftest import run_sql
from tests.waiting import wait_until

GROUP = "control"
_CLAIMED = 500
_LOOKS = 15
_TTL = timedelta(seconds=60)
_POLICY = Policy(_TTL, _CLAIMED, Backoff(timedelta(seconds=1), timedelta(seconds=60)))
_HOLDS, _PRODUCERS = 10, 1_000
# Urgent intents a second.
_RATE = 50
# Notifications with one email route each; the nth is due n microseconds after the first.
_SEED = """
WITH made AS (
    INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                               request_fingerprint, payload, request_id, occurred_at, accepted_at)
    SELECT md5('{series}-' || n)::uuid, '{type}', {producer}, 'user', '{series}-' || n, sha256(n::text::bytea),
           json_build_object('game', 'chess', 'turn', n, 'text', repeat('x', 100)), '{series}-' || n,
           date_trunc('milliseconds', now()), date_trunc('milliseconds', now())
    FROM generate_series(1, {count}) AS n
    RETURNING id, producer, notification_type
)
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, resolved_email,
                    next_attempt_at, created_at, updated_at, producer, notification_type, lane, group_key)
SELECT id, 'email:user:' || id, 'email', 'pending', 6, 'user:' || id, 'user-' || id || '@example.com',
       date_trunc('milliseconds', now()) - interval '{age}' + id * interval '1 microsecond', now(), now(),
       producer, notification_type, lane, {group_key}
FROM (SELECT *, 'email' AS channel, '{lane}' AS lane FROM made) AS made ORDER BY id
"""


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    yield from _holds(servers, size.large)
    yield from _producers(servers, size.large)
    yield from _urgent(servers, size.large, size.latency_seconds)


def _seed(on: Stage, count: int, *, series: str, lane: str = "normal", producer: str = "'p'", age: str = "1 h") -> None:
    values = {"series": series, "type": series, "lane": lane, "producer": producer, "age": age, "count": count}
    values |= {"group_key": GROUP_KEY}
    with on.database.unit() as connection, connection.atomic():
        connection.execute_sql(_SEED.format(**values))


def _settle(on: Stage) -> None:
    """As autovacuum would leave it."""
    run_sql(on.environ["DATABASE_URL"], "VACUUM ANALYZE notifications", "VACUUM ANALYZE routes", "CHECKPOINT")


def _holds(servers: Servers, held: int) -> Iterator[Figure]:
    """A claim that passes over a million held routes, which are all due before those that it takes."""
    with stage(servers) as on:
        for n in range(_HOLDS):
            _seed(on, held // _HOLDS, series=f"held.{n}", age="2 h")
        _seed(on, _CLAIMED * 4, series="free")
        _settle(on)
        plain = _median(lambda: _plain(on))
        for n in range(_HOLDS):
            add_hold(on.database, HoldCriteria(notification_type=f"held.{n}"), "a benchmark", "bench")
        shared = _median(_by_shares(on, hoped=False))
    what = f"a claim of {_CLAIMED} beside {_HOLDS} holds over {held:,} due routes, all before those that may go"
    yield Figure(GROUP, what, f"{shared:.1f} ms", f"without holds: {plain:.1f} ms")


def _producers(servers: Servers, due: int) -> Iterator[Figure]:
    """A claim that shares its routes out over a thousand producers."""
    with stage(servers) as on:
        _seed(on, due, series="due", producer=f"'p' || n %% {_PRODUCERS}")
        _settle(on)
        plain = _median(lambda: _plain(on))
        shared = _median(_by_shares(on, hoped=True))
        few = _median(_by_shares(on, hoped=True, tokens=7))
    what = f"a claim of {_CLAIMED} under a rate limit, {due:,} routes of {_PRODUCERS:,} producers due"
    beside = f"without a limit: {plain:.1f} ms; of 7 tokens: {few:.1f} ms"
    yield Figure(GROUP, what, f"{shared:.1f} ms", beside, f"{plain * 2:.1f} ms")


def _plain(on: Stage) -> None:
    claim = claim_due(on.database, "email", limit=_CLAIMED, lease_ttl=_TTL)
    if len(claim.routes) != _CLAIMED:
        raise AssertionError(f"{len(claim.routes)} of {_CLAIMED} routes were claimed")
    release(on.database, claim.token, claim.ids)


def _by_shares(on: Stage, *, hoped: bool, tokens: int = _CLAIMED) -> Callable[[], None]:
    sharing = Sharing(on.database, _POLICY)

    def claim() -> None:
        batch = sharing.claim(EMAIL, tokens, hoped=hoped, through_parking=False)
        if batch is None or not batch.claim.routes:
            raise AssertionError("no routes were claimed by shares")
        release(on.database, batch.claim.token, batch.claim.ids)

    return claim


def _median(work: Callable[[], None]) -> float:
    """Milliseconds, the giving back left in: it is the same for all."""
    work()
    seconds = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def _urgent(servers: Servers, bulk: int, seconds: float) -> Iterator[Figure]:
    """Urgent intents at a steady rate: beside nothing, and beside a million bulk routes that are being drained."""
    with stage(servers) as on:
        on.start("worker", "clock", "intake")
        _send(on, 40, "warm")
        idle = summarized(_send(on, round(_RATE * seconds), "idle"))
        _seed(on, bulk, series="bulk", lane="bulk")
        _settle(on)
        before = on.appended()
        wait_until(lambda: on.appended() > before, within=60)
        beside = summarized(_send(on, round(_RATE * seconds), "beside"))
        drained = on.appended() - before
    what = f"urgent intents at {_RATE}/s beside {bulk:,} bulk routes that are being published, p50 / p95 / p99"
    yield Figure(GROUP, what, beside.text, f"idle: {idle.text}", f"p95 {idle.p95 * 3:.0f} ms")
    rate = drained / seconds
    yield Figure(GROUP, "bulk routes published meanwhile", f"{rate:,.0f} routes/s")


def _send(on: Stage, count: int, series: str) -> Sequence[int]:
    """Sends so many urgent intents evenly, and returns the milliseconds from each to each of its commands."""
    sent: dict[bytes, int] = {}
    began = time.monotonic()
    first = on.redis.xadd(INTENTS_STREAM, _intent(0, series))
    sent[f"{series}-0".encode()] = _milliseconds(first)
    for n in range(1, count):
        pause = began + n / _RATE - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        sent[f"{series}-{n}".encode()] = _milliseconds(on.redis.xadd(INTENTS_STREAM, _intent(n, series)))
    delays: list[int] = []

    def all_came() -> bool:
        delays[:] = [
            _milliseconds(entry_id) - sent[fields[b"request_id"]]
            for stream in (EMAIL_STREAM, PUSH_STREAM)
            for entry_id, fields in on.redis.xrange(stream, min=first)
            if fields[b"request_id"] in sent
        ]
        return len(delays) == 2 * count

    wait_until(all_came, within=120, describe=lambda: f"{len(delays)} of {2 * count} commands")
    return delays


def _intent(n: int, series: str) -> dict[str, str]:
    key = f"{series}-{n}"
    return {**intent(n), "idempotency_key": key, "request_id": key, "lane": "urgent"}


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
