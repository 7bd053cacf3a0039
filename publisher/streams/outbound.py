"""Appends commands to the channels' streams, once per delivery id within the dedup window (R12, R13)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.domain.stream_address import StreamAddress
from publisher.streams.append_result import OVER, Appended, AppendResult, NotAppended, append_result, of_partition
from publisher.streams.identity import identities
from publisher.streams.keys import counted_key, limit_key, witness_key
from publisher.streams.rate_limits import RateLimits
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers
from publisher.streams.witnesses import WitnessOf, by_part, entry_id, witness

_SCRIPT = script("append_once")
_END = script("end_once")
_STANDS = script("stands")
# Commands of one call, and their bytes, so that it ends within its timeout and does not hold Redis up for others: it
# takes a few milliseconds.
_CALL_COMMANDS = 100
_CALL_BYTES = 4 * 1024 * 1024
# So many calls of a batch may find nobody, where partitions are on several nodes of a cluster.
_MOST_LOST = 2
# Entries that one call reads: each may hold a command of a megabyte.
_LOOKS = 100
_READ_ONLY = "READONLY "


@dataclass(frozen=True, slots=True)
class Delivery:
    """A command and the id under which it is published.

    replay: how often an operator had it published again.
    requeues: how often an operator requeued its route from the dead letters.
    moved_at: when its route was moved to this stream, as `OutboundStreams.leave` was told; 0: it was not.
    """

    delivery_id: str
    command: Command
    replay: int = 0
    requeues: int = 0
    moved_at: int = 0


class OutboundStreams:
    """The channels' streams. Safe to share between threads.

    limits: the token buckets of their rate limits (R30).
    """

    def __init__(self, servers: StreamServers, dedup_window: timedelta) -> None:
        """dedup_window: for how long a witness lives, from the append or from when it was last renewed."""
        self.dedup_window = dedup_window
        self.limits = RateLimits(servers)
        self._servers = servers
        self._window_ms = round(dedup_window.total_seconds() * 1000)
        # Each call names the client of its stream.
        self._script = servers.hints.register_script(_SCRIPT)
        self._end = servers.hints.register_script(_END)
        self._stands = servers.hints.register_script(_STANDS)

    def append(
        self,
        channel: Channel,
        deliveries: Sequence[Delivery],
        go_on: Callable[[], bool] = lambda: True,
        limit: RateLimit | None = None,
    ) -> list[AppendResult]:
        """Appends each command unless its delivery has a witness (R12). The results stand in the same order.

        New commands are held back while the stream holds the channel's ceiling of unread or unacknowledged ones (R13).
        limit: new commands beyond it are Limited; None: the channel has no rate limit (R30).
        go_on: asked before every call but the first; once it returns False, the rest is not begun and has no result.
        Raises nothing for a refusal or an unreachable server: those are results, each its route's failure (R7).
        """
        results: list[AppendResult] = []
        lost: list[AppendResult] = []
        for part, chunk in _chunks(deliveries, channel.location):
            if results and not go_on():
                return results
            if lost and (channel.partitions == 1 or len(lost) == _MOST_LOST or self._servers.is_away(str(part))):
                # It would wait as long, one chunk after the other, and they would outlive their lease.
                results += [lost[-1]] * len(chunk)
                continue
            try:
                results += [of_partition(channel, each) for each in self._append(channel, part, chunk, limit)]
            except RedisUnavailable as error:
                away = NotAppended(str(error), channels_fault=True, unreachable=True)
                lost.append(of_partition(channel, away))
                results += [lost[-1]] * len(chunk)
            except PublisherError as error:
                # The call as a whole, whatever the commands: no right to run it, say.
                refused = NotAppended(str(error), channels_fault=True)
                results += [of_partition(channel, refused)] * len(chunk)
        return results

    def end(self, deliveries: Sequence[WitnessOf], tombstones: Sequence[str]) -> list[str | None]:
        """Ends these deliveries, each with its tombstone: a late append of one appends nothing (R12).

        Returns for each the entry id of its command if that stands already: then there is no tombstone, and the witness
        lives for another window. May be repeated. Raises RedisUnavailable or RedisRefused.
        """
        return self._end_all(deliveries, tombstones, 0)

    def end_within_reach(self, deliveries: Sequence[WitnessOf], tombstones: Sequence[str]) -> dict[int, str | None]:
        """Ends these deliveries as `end` does, and leaves out those of partitions that cannot be asked now.

        Returns what `end` does, by the place of the delivery. Raises RedisUnavailable or RedisRefused if none is ended.
        """
        ended: dict[int, str | None] = {}
        fault: RedisUnavailable | RedisRefused | None = None
        for part, at in by_part(deliveries).items():
            if fault is not None and self._servers.is_away(str(part)):
                # It would wait as long, one partition after the other, and they would outlive their lease.
                continue
            try:
                entries = self.end([deliveries[n] for n in at], [tombstones[n] for n in at])
            except (RedisUnavailable, RedisRefused) as error:
                fault = error
            else:
                ended |= dict(zip(at, entries, strict=True))
        if fault is not None and not ended:
            raise fault
        return ended

    def leave(self, deliveries: Sequence[WitnessOf], at: int) -> list[str | None]:
        """Ends these deliveries on these streams, because their routes move to another one: as `end` does.

        A route may come back: an append of a delivery that was moved here later goes through.
        at: the instant of the move, in microseconds; a later one counts.
        """
        return self._end_all(deliveries, [OVER] * len(deliveries), at)

    def witnesses(self, deliveries: Sequence[WitnessOf]) -> list[str | None]:
        """Reads the witnesses of these deliveries, in order: each an entry id, or None if it is gone or a tombstone.

        Renews no witness (R12a). Raises RedisUnavailable or RedisRefused.
        """
        found: list[str | None] = [None] * len(deliveries)
        for part, at in by_part(deliveries).items():
            client = self._servers.of(str(part))
            with translated():
                entries = client.mget([witness(part, deliveries[n]) for n in at])
            for n, entry in zip(at, entries, strict=True):
                found[n] = entry_id(entry)
        return found

    def standing(self, deliveries: Sequence[WitnessOf], entry_ids: Sequence[str | None]) -> list[bool]:
        """Looks for commands whose witnesses are gone at their entries, and gives those found their witnesses (R12a).

        Returns for each whether it stands on its stream. False also if no field of the entry holds the delivery id, as
        with a third party's commands. Raises RedisUnavailable or RedisRefused.
        """
        stands = [False] * len(deliveries)
        for part, all_at in by_part(deliveries).items():
            for start in range(0, len(all_at), _LOOKS):
                at, client = all_at[start : start + _LOOKS], self._servers.of(str(part))
                with translated():
                    replies = self._stands(
                        keys=[part.stream, *(witness(part, deliveries[n]) for n in at)],
                        args=[self._window_ms, *(text for n in at for text in (entry_ids[n] or "", deliveries[n][1]))],
                        client=client,
                    )
                for n, reply in zip(at, replies, strict=True):
                    stands[n] = bool(reply)
        return stands

    def reaches(self, address: str) -> bool:
        """Returns whether the settings still name the Redis of this address."""
        return self._servers.reaches(address)

    def identities(self) -> Callable[[str], str]:
        """Returns what reads the identity of a stream's Redis (R12a): of each server once. See `streams.identity`."""
        return identities(self._servers)

    def _end_all(self, deliveries: Sequence[WitnessOf], tombstones: Sequence[str], moved_at: int) -> list[str | None]:
        ended: list[str | None] = [None] * len(deliveries)
        for part, at in by_part(deliveries).items():
            client = self._servers.of(str(part))
            with translated():
                entries = self._end(
                    keys=[witness(part, deliveries[n]) for n in at],
                    args=[self._window_ms, moved_at, *(tombstones[n] for n in at)],
                    client=client,
                )
            for n, entry in zip(at, entries, strict=True):
                ended[n] = entry_id(entry)
        return ended

    def _append(
        self, channel: Channel, part: StreamAddress, deliveries: Sequence[Delivery], limit: RateLimit | None
    ) -> list[AppendResult]:
        stream, limit = part.stream, limit and limit.share_of(channel.partitions)
        witnesses = [witness_key(stream, d.delivery_id, d.replay) for d in deliveries]
        keys = [stream, counted_key(stream), limit_key(stream, channel.name), *witnesses]
        arguments: list[str | int | float] = [
            *(self._window_ms, channel.holds_back_at),
            *((limit.per_second, limit.burst) if limit else (0, 0)),
        ]
        for delivery in deliveries:
            flat = [text for pair in delivery.command.fields for text in pair]
            arguments += [delivery.requeues, delivery.moved_at, len(flat), *flat]
        # The script may be repeated blindly: its witnesses tell what was done.
        reply = self._servers.run_twice(
            str(part), lambda client: self._script(keys=keys, args=arguments, client=client)
        )
        results = [
            Appended(answer.decode(), first=True)
            if isinstance(answer, bytes)
            else append_result(replace(channel, stream=stream), *(text.decode(errors="replace") for text in answer))
            for answer in reply
        ]
        if any(isinstance(result, NotAppended) and _READ_ONLY in result.message for result in results):
            # It has become a replica, and says so within an answer, which closes no connection. Where its name leads,
            # and which one Sentinels name, is asked for a new connection.
            self._servers.of(str(part)).connection_pool.disconnect(inuse_connections=False)
        return results


def _chunks(
    deliveries: Sequence[Delivery], address: StreamAddress
) -> Iterator[tuple[StreamAddress, Sequence[Delivery]]]:
    """Yields what one call takes: a partition, and deliveries of it that follow one another."""
    parts = [address.part(delivery.delivery_id) for delivery in deliveries]
    start, size = 0, 0
    for position, delivery in enumerate(deliveries):
        size += delivery.command.size
        is_full = position - start == _CALL_COMMANDS or size > _CALL_BYTES
        if position > start and (is_full or parts[position] != parts[start]):
            yield parts[start], deliveries[start:position]
            start, size = position, delivery.command.size
    if start < len(deliveries):
        yield parts[start], deliveries[start:]
