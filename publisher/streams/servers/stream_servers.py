"""Which Redis has which stream: one for all, or one of its own for some, each a server or a cluster (R37).

Queues, mutexes and heartbeats stand on the Redis of REDIS_URL: they are hints, and may be lost. A stream has its
witnesses, counts and marks beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Self, TypeVar

import redis

from publisher.domain.channel import Channel
from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.domain.stream_address import StreamAddress, read_address, whole_of
from publisher.streams.servers.cluster import Cluster
from publisher.streams.servers.connection import translated

T = TypeVar("T")


class StreamServers:
    """The Redis of every stream. Safe to share between threads. Nothing is connected before its first use.

    hints: the Redis of REDIS_URL.
    """

    def __init__(
        self,
        hints: redis.Redis,
        own: Mapping[str, redis.Redis | Cluster] | None = None,
        placed: Mapping[str, str] | None = None,
        channels: Iterable[Channel] = (),
    ) -> None:
        """own: the other servers, by where they are, as an address says it.

        placed: where the streams of intents and delivery events are, by name, if they have a Redis of their own: they
            are known by their names alone.
        """
        self.hints = hints
        self._own = own or {}
        self._placed = placed or {}
        self._today = {channel.stream: channel.server for channel in channels}

    def of(self, address: str) -> redis.Redis:
        """Returns the client for this stream, today. It may be another one after a fault: ask each time.

        address: of one stream or partition, see `domain.stream_address`. Of a Redis that no setting names any more, the
            one that has a stream of this name now is taken, in however many partitions: its URL may have been written
            in another way.
        Raises RedisUnavailable or RedisRefused if the nodes of a cluster do not tell which has the stream.
        """
        stream, server = self._resolved(address)
        found = self._own.get(server, self.hints)
        return found.of(stream) if isinstance(found, Cluster) else found

    def named_by(self, address: str) -> redis.Redis:
        """Returns the client for this stream on the very Redis of its address, wherever a stream of that name is today.

        Only of an address that the settings reach. Raises as `of`.
        """
        at = read_address(address)
        found = self.at(at.server)
        return found.of(at.stream) if isinstance(found, Cluster) else found

    def run_twice(self, address: str, command: Callable[[redis.Redis], T]) -> T:
        """Returns what the command returns, given the client for this stream. It is run again if it gets no answer.

        A pooled connection may have died since its last use, the reply been lost, or the slot have moved. So only what
        may be repeated blindly is run by this. Raises RedisUnavailable or RedisRefused.
        """
        try:
            with translated():
                return command(self.of(address))
        except RedisUnavailable:
            with translated():
                return command(self.of(address))

    def at(self, place: str) -> redis.Redis | Cluster:
        """Returns the Redis at this place, as an address says it; blank: that of REDIS_URL."""
        return self._own[place] if place else self.hints

    def reaches(self, address: str) -> bool:
        """Returns whether the settings still name the Redis of this address."""
        at = read_address(address)
        return not at.server or at.server in self._own

    def place_of(self, address: str) -> str:
        """Returns where the Redis of this stream is; blank: it is that of REDIS_URL."""
        return self._resolved(address)[1]

    def location_of(self, stream: str) -> StreamAddress:
        """Returns where a stream of intents or delivery events is, which is known by its name."""
        return StreamAddress(stream, self._placed.get(stream, ""))

    def is_cluster(self, address: str) -> bool:
        """Returns whether this stream is in a cluster."""
        return isinstance(self._own.get(self.place_of(address)), Cluster)

    def is_away(self, address: str) -> bool:
        """Returns whether the Redis of this stream did not answer last, if it was any that did not.

        Each node of a cluster is known by itself; of one server that all streams share, the answer is yes.
        """
        stream, server = self._resolved(address)
        found = self._own.get(server)
        return not isinstance(found, Cluster) or found.is_away(stream)

    def on_each(
        self,
        addresses: Iterable[str],
        read: Callable[[redis.Redis, list[str]], Mapping[str, T]],
        of: Callable[[str], redis.Redis] | None = None,
    ) -> dict[str, T | RedisUnavailable | RedisRefused]:
        """Reads these streams, those of one server together. The error instead, of a server that cannot be read.

        read: given a client and the names of streams, returns what it found, by name. What it raises for the Redis of
            REDIS_URL is raised on.
        of: returns the client for a stream; None: `self.of`.
        """
        found: dict[str, T | RedisUnavailable | RedisRefused] = {}
        together: dict[int, tuple[redis.Redis, dict[str, list[str]]]] = {}
        for address in dict.fromkeys(addresses):
            try:
                client = (of or self.of)(address)
            except (RedisUnavailable, RedisRefused) as error:
                found[address] = error
                continue
            by_stream = together.setdefault(id(client), (client, {}))[1]
            by_stream.setdefault(read_address(address).stream, []).append(address)
        for client, by_stream in together.values():
            values: Mapping[str, T | RedisUnavailable | RedisRefused]
            try:
                values = read(client, list(by_stream))
            except (RedisUnavailable, RedisRefused) as error:
                if client is self.hints:
                    raise
                values = dict.fromkeys(by_stream, error)
            found |= {address: values[stream] for stream in by_stream.keys() & values for address in by_stream[stream]}
        return found

    def close(self) -> None:
        """Closes every connection."""
        self.hints.close()
        for server in self._own.values():
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _resolved(self, address: str) -> tuple[str, str]:
        """Returns the name of the stream, and where it is; blank: on the Redis of REDIS_URL."""
        at = read_address(address)
        if at.server and at.server not in self._own:
            return at.stream, self._today.get(at.stream) or self._today.get(whole_of(at.stream), "")
        return at.stream, at.server or self._placed.get(at.stream, "")
