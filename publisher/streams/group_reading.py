"""Reads the consumer groups of streams: in two round trips for all, whatever the number of streams and groups (R27)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from redis.exceptions import ResponseError

from publisher.domain.errors import RedisRefused
from publisher.domain.instants import EPOCH
from publisher.streams.groups import Consumer, Group, StreamGroups, name_of
from publisher.streams.servers.connection import message, translated
from publisher.streams.unread import Counted, Limit, count_behind

# Of a stream so many groups are read, and of a group so many consumers: strangers may make any number.
GROUPS = 50
_CONSUMERS = 500
# Where the server does not know what is unread, so many entries are counted, for so long: tens of milliseconds.
COUNTED = 10_000
PATIENCE = timedelta(milliseconds=250)
# A producer may choose its ids: some are no instants at all.
_LAST_MS = 2**47


def read_groups(client: redis.Redis, streams: Iterable[str]) -> Mapping[str, StreamGroups | RedisRefused]:
    """Reads the groups of each stream of one server. The error instead, if Redis refuses a stream (R35).

    Two round trips for all streams; more only to count what a group has not read where the server does not know it.
    The replies are no snapshot: an entry that is read meanwhile may count as unread. Raises RedisUnavailable, and
    RedisRefused if the server does not tell its time.
    """
    names = list(dict.fromkeys(streams))
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.time()
        for name in names:
            pipe.xinfo_groups(name)
            pipe.xlen(name)
            pipe.xrange(name, count=1)
        told, *replies = pipe.execute(raise_on_error=False)
    error = refusal([told])
    if error is not None:
        raise error
    seconds, microseconds = told
    now = EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    found = {name: _stream(replies[3 * n : 3 * n + 3]) for n, name in enumerate(names)}
    asked = [(name, group) for name, look in found.items() if isinstance(look, _Stream) for group in look.asked]
    details: dict[str, list[_Detail | RedisRefused | None]] = {name: [] for name in names}
    for (name, _), detail in zip(asked, _details(client, asked), strict=True):
        details[name].append(detail)
    limit = Limit.of(COUNTED, PATIENCE)
    return {
        name: look if isinstance(look, RedisRefused) else _groups(client, name, look, details[name], now, limit)
        for name, look in found.items()
    }


def stream_groups(client: redis.Redis, stream: str) -> StreamGroups:
    """Reads the groups of one stream. Raises RedisUnavailable or RedisRefused."""
    found = read_groups(client, [stream])[stream]
    if isinstance(found, RedisRefused):
        raise found
    return found


def says_no_stream(reply: object) -> bool:
    """True if this reply says that there is no such key."""
    return isinstance(reply, ResponseError) and "no such key" in str(reply)


def refusal(replies: Iterable[object]) -> RedisRefused | None:
    """Returns the first error among the replies of a pipeline as the service's own, or None."""
    error = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
    return None if error is None else RedisRefused(f"Redis refused: {message(error)}")


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream by the first round trip. groups: as XINFO GROUPS lists them. first: its first entry's id, or None."""

    groups: Sequence[Mapping[str, Any]]
    length: int
    first: bytes | None

    @property
    def asked(self) -> Sequence[Mapping[str, Any]]:
        return self.groups[:GROUPS]


@dataclass(frozen=True, slots=True)
class _Detail:
    """A group by the second round trip. behind, pending: the first entry that is unread or pending, or None."""

    group: Mapping[str, Any]
    behind: bytes | None
    pending: bytes | None
    consumers: Sequence[Consumer] | None


def _stream(replies: Sequence[Any]) -> _Stream | RedisRefused:
    groups, length, first = replies
    if says_no_stream(groups):
        return _Stream([], 0, None)
    return refusal(replies) or _Stream(groups, length, first[0][0] if first else None)


def _details(
    client: redis.Redis, asked: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[_Detail | RedisRefused | None]:
    """Reads the rest of each group, in one round trip. None: the group is gone meanwhile."""
    if not asked:
        return []
    with translated(), client.pipeline(transaction=False) as pipe:
        for stream, group in asked:
            pipe.xrange(stream, min=b"(" + group["last-delivered-id"], count=1)
            pipe.xpending_range(stream, group["name"], min="-", max="+", count=1)
            if _lists_consumers(group):
                pipe.xinfo_consumers(stream, group["name"])
        replies = iter(pipe.execute(raise_on_error=False))
    return [
        _detail(group, next(replies), next(replies), next(replies) if _lists_consumers(group) else None)
        for _, group in asked
    ]


def _lists_consumers(group: Mapping[str, Any]) -> bool:
    # Redis lists all consumers or none.
    return bool(group["consumers"] <= _CONSUMERS)


def _detail(group: Mapping[str, Any], behind: Any, pending: Any, consumers: Any) -> _Detail | RedisRefused | None:
    error = refusal((behind, pending))
    if error is not None:
        return None if "NOGROUP" in str(error) or says_no_stream(pending) else error
    return _Detail(
        group,
        behind[0][0] if behind else None,
        pending[0]["message_id"] if pending else None,
        None
        if consumers is None or isinstance(consumers, ResponseError)
        else [Consumer(name_of(c["name"]), c["pending"], timedelta(milliseconds=c["idle"])) for c in consumers],
    )


def _groups(
    client: redis.Redis,
    stream: str,
    look: _Stream,
    details: Sequence[_Detail | RedisRefused | None],
    now: datetime,
    limit: Limit,
) -> StreamGroups | RedisRefused:
    for detail in details:
        if isinstance(detail, RedisRefused):
            return detail
    present = [(detail, _known(look, detail)) for detail in details if isinstance(detail, _Detail)]
    try:
        counted = count_behind(
            client, stream, (d.group["last-delivered-id"] for d, known in present if known is None), limit
        )
    except RedisRefused as error:
        return error
    groups = [_group(detail, known or counted[detail.group["last-delivered-id"]], now) for detail, known in present]
    return StreamGroups(
        look.length,
        _age(now, look.first),
        sorted(groups, key=lambda group: group.name),
        len(look.groups) - len(look.asked),
    )


def _known(look: _Stream, detail: _Detail) -> Counted | None:
    """Returns how many entries the group has not read, or None if they must be counted.

    Redis 7.0 reports a lag that is too large after unread entries were trimmed. So it is never more than the stream's
    length, and 0 if nothing stands behind the last delivered entry.
    """
    if detail.behind is None:
        return Counted(0)
    # Nothing that was delivered is left: the whole stream is unread.
    if detail.behind == look.first:
        return Counted(look.length)
    lag = detail.group.get("lag")
    return None if lag is None else Counted(min(lag, look.length))


def _group(detail: _Detail, unread: Counted, now: datetime) -> Group:
    return Group(
        name_of(detail.group["name"]),
        unread.count,
        unread.is_bound,
        detail.group["pending"],
        _age(now, detail.behind),
        _age(now, detail.pending),
        detail.group["consumers"],
        detail.consumers,
    )


def _age(now: datetime, entry_id: bytes | None) -> timedelta | None:
    if entry_id is None:
        return None
    return now - EPOCH - timedelta(milliseconds=min(int(entry_id.partition(b"-")[0]), _LAST_MS))
