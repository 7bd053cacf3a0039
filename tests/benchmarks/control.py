"""Control: what it costs to see who reads, and to stop and slow what is sent."""

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

from publisher.local.embedded import Servers
from publisher.streams.group_reading import stream_groups
from publisher.streams.groups import StreamGroups
from publisher.streams.servers.connection import open_redis
from tests.benchmarks import claim_control, limited
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size
from tests.benchmarks.stage import EMAIL_STREAM, Stage, stage

GROUP = "control"
_GROUPS = 10
_LOOKS = 25
# Entries of the size of an email's command, many in one call.
_FILL = """
for n = 1, tonumber(ARGV[1]) do
    redis.call('XADD', KEYS[1], '*', 'delivery_id', 'b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:' .. n,
        'source', 'notification', 'payload_mode', 'template', 'requested_at_ms', '1795543223749',
        'idempotency_key', 'notification:b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:' .. n,
        'payload_json', ARGV[2])
end
"""
_AT_ONCE = 10_000


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    with stage(servers) as on:
        yield from _readers(on, size.unread)
    yield from limited.figures(servers, size.waiting, size.rest_seconds)
    yield from claim_control.figures(servers, size)


def _readers(on: Stage, unread: int) -> Iterator[Figure]:
    """A look at ten groups of one stream, each with a backlog; then the same after Redis has forgotten the lags."""
    for start in range(0, unread, _AT_ONCE):
        on.redis.eval(_FILL, 1, EMAIL_STREAM, min(_AT_ONCE, unread - start), '{"to": ["user@example.com"]}' * 10)
    for n in range(_GROUPS):
        on.redis.xgroup_create(EMAIL_STREAM, f"group-{n}", "0")
        on.redis.xreadgroup(f"group-{n}", "one", {EMAIL_STREAM: ">"}, count=n + 1)
    what = f"a look at {_GROUPS} groups with {unread:,} unread commands each"
    yield Figure(GROUP, what, *_look(on, is_bound=False), "50 ms")
    middle = on.redis.xrange(EMAIL_STREAM, count=50)[-1][0]
    on.redis.xdel(EMAIL_STREAM, middle)
    yield Figure(GROUP, f"{what}, after XDEL: counted up to a bound", *_look(on, is_bound=unread > _AT_ONCE), "50 ms")


def _look(on: Stage, *, is_bound: bool) -> tuple[str, str]:
    """Takes the look as `status` does. Returns the median and the longest of some."""
    seconds = []
    with open_redis(on.servers.redis_url, timeout=timedelta(seconds=10), client_name="bench") as client:
        for _ in range(_LOOKS):
            began = time.perf_counter()
            found = stream_groups(client, EMAIL_STREAM)
            seconds.append(time.perf_counter() - began)
            _check(found, is_bound=is_bound)
    return f"{statistics.median(seconds) * 1000:.1f} ms", f"the longest of {_LOOKS}: {max(seconds) * 1000:.1f} ms"


def _check(found: StreamGroups, *, is_bound: bool) -> None:
    told = [(group.unread > 0, group.is_bound, group.pending) for group in found.groups]
    if told != [(True, is_bound, n + 1) for n in range(_GROUPS)]:
        raise AssertionError(f"the groups are told wrong: {told}")
