"""Asks a channel's token bucket how many commands a worker may hope to append, before it claims their routes (R30).

A hope is a promise for a second at most: the append takes the tokens, whoever comes. So a worker that dies, or a Redis
that forgets, costs nothing but time.
"""

from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.channel import Channel
from publisher.domain.rate_limit import RateLimit
from publisher.streams.keys import limit_key
from publisher.streams.scripts import script
from publisher.streams.servers.stream_servers import StreamServers

_HOPE = script("hope")


@dataclass(frozen=True, slots=True)
class Hope:
    """How many commands a worker may hope to append now.

    tokens: so many were promised to this worker, at most as many as it wanted.
    wait: how long it takes until there are enough others for another look at the channel.
    """

    tokens: int
    wait: timedelta


class RateLimits:
    """The token buckets of all channels. Safe to share between threads."""

    def __init__(self, servers: StreamServers) -> None:
        self._servers = servers
        # Each call names the client of its stream.
        self._script = servers.hints.register_script(_HOPE)

    def hope(self, channel: Channel, limit: RateLimit, wanted: int) -> Hope:
        """Asks for tokens, and has them promised. wanted: the size of a claim.

        Raises RedisUnavailable or RedisRefused.
        """
        tokens, left = self._ask(channel, limit, wanted, 0)
        return Hope(tokens, limit.wait(left, wanted))

    def forgo(self, channel: Channel, limit: RateLimit, tokens: int) -> None:
        """Gives up so many promised tokens, which other workers may hope for. Raises as `hope`."""
        self._ask(channel, limit, 0, tokens)

    def _ask(self, channel: Channel, limit: RateLimit, wanted: int, forgone: int) -> tuple[int, float]:
        # Of partitions, over which commands are spread evenly, the first speaks for all.
        part, count = channel.streams[0], channel.partitions
        limit = limit.share_of(count)
        keys = [limit_key(part.stream, channel.name)]
        arguments = [limit.per_second, limit.burst, -(-wanted // count), forgone // count]
        # If it was the reply that was lost, the promise stands twice, for a second at most.
        tokens, left = self._servers.run_twice(
            str(part), lambda client: self._script(keys=keys, args=arguments, client=client)
        )
        return tokens * count, float(left) * count
