"""Keeps which streams the settings name, and what waits on those that were given up since (R27, R37).

A stream is given up by a smaller number of partitions, by another name, or by a move to another Redis. Its readers may
be gone before it is read to its end. Every worker notes the streams of its settings, with Redis' clock. One worker
looks at those that no worker names any more, and keeps what waits there for `status`, the page and the gauges.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import redis

from publisher.domain.channel import Channel
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.instants import from_milliseconds, to_milliseconds
from publisher.domain.stream_address import StreamAddress, read_address, whole_of
from publisher.streams.group_reading import read_groups
from publisher.streams.groups import StreamGroups
from publisher.streams.health import read_clock
from publisher.streams.keys import GIVEN_UP, NAMED
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers

# How often a worker notes its streams.
INTERVAL = timedelta(minutes=1)
# A stream that no worker has named for so long was given up. In a deploy the workers of both sides name theirs.
_UNNAMED = INTERVAL * 3
# How long a stream that was given up is remembered; for longer only while entries wait there.
_REMEMBERED = timedelta(days=30)
# How long it is told what was found: if nobody looks any more, that is no longer known.
_TOLD = INTERVAL * 5


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A stream that was given up, and on which entries wait.

    stream: its address, see `domain.stream_address`; of partitions that of one.
    entries: how many the slowest group has not read or not acknowledged; all, if no group reads it.
    """

    stream: str
    entries: int


class GivenUpStreams:
    """The streams that were given up. For one thread at a time."""

    def __init__(self, servers: StreamServers) -> None:
        self._servers = servers
        # Not asked for again: each refusal stands in Redis' ACL log.
        self._refused: set[tuple[str, str]] = set()

    def note(self, streams: Iterable[StreamAddress]) -> None:
        """Notes that the settings name these streams now. Raises RedisUnavailable or RedisRefused."""
        client = self._servers.hints
        now = to_milliseconds(read_clock(client))
        with translated(), client.pipeline(transaction=False) as pipe:
            pipe.hset(NAMED, mapping=dict.fromkeys(map(str, streams), now))
            pipe.pexpire(NAMED, _REMEMBERED)
            pipe.execute()

    def look(self) -> None:
        """Looks what waits on the streams that were given up, and keeps it for five minutes in the place of any before.

        Streams on a Redis that is away are left out, and so are those that the user may not read: this object does not
        ask for them again, nor for their other partitions. A stream that no settings name for 30 days is forgotten,
        unless entries wait there. Raises RedisUnavailable or RedisRefused for the Redis of REDIS_URL alone.
        """
        client = self._servers.hints
        named, now = read_named(client)
        asked = [
            each for each in unnamed(named, now) if self._servers.reaches(each) and _family(each) not in self._refused
        ]
        found = read_unless_refused(self._servers, asked)
        self._refused |= {_family(each) for each, of in found.items() if isinstance(of, RedisRefused)}
        waiting = waiting_on(found)
        kept = {each.stream for each in waiting} | {e for e, of in found.items() if isinstance(of, RedisUnavailable)}
        forgotten = [each for each, at in named.items() if now - at > _REMEMBERED and each not in kept]
        with translated(), client.pipeline(transaction=False) as pipe:
            pipe.set(GIVEN_UP, json.dumps([asdict(each) for each in waiting]), px=_TOLD)
            if forgotten:
                pipe.hdel(NAMED, *forgotten)
            pipe.execute()


def named_today(servers: StreamServers, streams: Iterable[str], channels: Iterable[Channel]) -> Sequence[StreamAddress]:
    """Returns the streams that the settings name, each partition by itself.

    streams: those of intents and of delivery events, by name.
    """
    known = map(servers.location_of, streams)
    return [*known, *(part for channel in channels for part in channel.streams)]


def read_named(client: redis.Redis) -> tuple[Mapping[str, datetime], datetime]:
    """Reads when each stream was last named by settings, by its address, and what time it is, by Redis' clock.

    Raises RedisUnavailable or RedisRefused.
    """
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.hgetall(NAMED)
        pipe.time()
        named, (seconds, microseconds) = pipe.execute()
    now = from_milliseconds(seconds * 1000 + microseconds // 1000)
    return {address.decode(errors="replace"): from_milliseconds(int(at)) for address, at in named.items()}, now


def unnamed(named: Mapping[str, datetime], now: datetime) -> Sequence[str]:
    """Returns the streams that no worker has named for three minutes: they were given up. named: when each last was."""
    return [address for address, at in named.items() if now - at > _UNNAMED]


def read_unless_refused(
    servers: StreamServers, addresses: Sequence[str]
) -> Mapping[str, StreamGroups | RedisUnavailable | RedisRefused]:
    """Reads who reads these streams, each on the very Redis of its address, which the settings reach.

    Of a stream's partitions on one Redis the others are asked for only where the first one could be read: each refusal
    stands in Redis' ACL log. Two round trips for each server, or four. Raises as `StreamServers.on_each`.
    """
    families: dict[tuple[str, str], list[str]] = {}
    for address in addresses:
        families.setdefault(_family(address), []).append(address)
    found = servers.on_each([first for first, *_ in families.values()], read_groups, servers.named_by)
    others = [each for first, *more in families.values() if isinstance(found[first], StreamGroups) for each in more]
    found |= servers.on_each(others, read_groups, servers.named_by)
    return found


def waiting_on(found: Mapping[str, StreamGroups | PublisherError]) -> Sequence[GivenUp]:
    """Returns those of these streams on which entries wait, by address. What could not be read is left out."""
    waiting = {address: of.waiting for address, of in found.items() if isinstance(of, StreamGroups)}
    return [GivenUp(address, entries) for address, entries in sorted(waiting.items()) if entries]


def found_lately(kept: bytes | None) -> Sequence[GivenUp] | None:
    """Returns what the last look has found, given the text that it has kept. None: nobody has looked lately."""
    return None if kept is None else [GivenUp(str(each["stream"]), int(each["entries"])) for each in json.loads(kept)]


def _family(address: str) -> tuple[str, str]:
    """Returns what all partitions of a stream on one Redis have in common."""
    at = read_address(address)
    return whole_of(at.stream), at.server
