"""One consumer of a consumer group, on any stream: read, recover, hold, give back, acknowledge, leave.

XREADGROUP is a write: it moves entries into the consumer's pending list. If its reply is lost, they stay there, and a
plain `>` never returns them again. So a consumer that starts, or that saw an error, first recovers its own pending
entries, then those of dead consumers, and only then reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis

from publisher.domain.entry_ids import place
from publisher.domain.errors import RedisRefused
from publisher.domain.isolation import sizes
from publisher.domain.stream_address import read_address
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers

if TYPE_CHECKING:
    from redis.commands.core import Script


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream.

    id: its entry id.
    fields: names and values in order. A name may stand more than once.
    deliveries: how often the group delivered it, this time included; 0 where it was read for no consumer.
    """

    id: str
    fields: tuple[tuple[bytes, bytes], ...]
    deliveries: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """Entries that some consumer had read and not acknowledged.

    entries: those that are still on the stream.
    trimmed: ids of those that were removed from the stream and are lost.
    more: whether another call may find more.
    """

    entries: Sequence[Entry]
    trimmed: Sequence[str]
    more: bool


class ConsumerGroup:
    """One consumer of a group on a stream. One thread at a time. Every method raises RedisUnavailable, RedisRefused."""

    def __init__(self, servers: StreamServers, address: str, group: str, consumer: str) -> None:
        """Takes clients of its own: replies come raw from them, since redis-py's parsed form loses repeated fields.

        address: of the stream, see `domain.stream_address`.
        """
        self._servers = servers
        self._address = address
        self._stream = read_address(address).stream
        self.group = group
        self.consumer = consumer
        self._acknowledge = self._script("acknowledge")
        self._give_back = self._script("give_back")
        self._hold = self._script("hold")
        self._leave = self._script("leave")
        self._remove_stale = self._script("remove_stale")
        self._take_over = self._script("take_over")

    def create(self) -> bool:
        """Creates the stream and the group if they are missing. The group starts at the stream's first entry.

        Returns whether it created the group.
        """
        try:
            with translated():
                self._client.xgroup_create(self._stream, self.group, id="0", mkstream=True)
        except RedisRefused as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        return True

    def on_stream(self) -> tuple[int, str | None]:
        """Returns how many entries are on the stream, and the id of the oldest. None: there are none."""
        count: int = self._command("XLEN", self._stream)
        first = self._command("XRANGE", self._stream, "-", "+", "COUNT", 1)
        return count, entry_of(first[0], 0).id if first else None

    def read(self, count: int, block: timedelta) -> list[Entry]:
        """Reads at most `count` entries that no consumer has read; waits up to `block` for the first.

        Call `create`, then `recover_own` after any error. Raises RedisUnavailable, and RedisRefused (NOGROUP) if the
        group is gone.
        """
        wait = max(1, round(block.total_seconds() * 1000))
        reply = self._command(
            *("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, "BLOCK", wait),
            *("STREAMS", self._stream, ">"),
        )
        return [entry_of(raw, 1) for raw in (reply[0][1] if reply else [])]

    def recover_own(self, count: int) -> Recovered:
        """Returns the oldest entries that this consumer has read and not acknowledged, at most `count`.

        Counts no delivery: an XREADGROUP of the pending list would, though this consumer is alive.
        """
        pending = self._pending("-", "+", count)
        with translated(), self._client.pipeline(transaction=False) as pipe:
            for id_, *_ in pending:
                pipe.execute_command("XRANGE", self._stream, id_, id_)
            found = pipe.execute()
        entries, trimmed = [], []
        for (id_, _, _, deliveries), raw in zip(pending, found, strict=True):
            if raw:
                entries.append(entry_of(raw[0], deliveries))
            else:
                trimmed.append(id_.decode())
        return Recovered(entries, trimmed, more=len(pending) == count)

    def recover_others(self, count: int, idle: timedelta) -> Recovered:
        """Takes over entries that other consumers have left unacknowledged for `idle`. Counts a delivery of each.

        All of a call were delivered equally often, and the more often, the fewer they are (`domain.isolation`).
        """
        with translated():
            taken, gone, more = self._take_over(
                keys=[self._stream],
                args=[self.group, self.consumer, round(idle.total_seconds() * 1000), *sizes(count)],
                client=self._client,
            )
        entries = [entry_of(raw, raw[2]) for raw in taken]
        return Recovered(entries, [id_.decode() for id_ in gone], more=bool(more))

    def between(self, after: str, up_to: str, count: int) -> list[Entry]:
        """Returns the first `count` entries behind `after`, up to `up_to`. Delivers them to no consumer."""
        return [entry_of(raw, 0) for raw in self._command("XRANGE", self._stream, f"({after}", up_to, "COUNT", count)]

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Acknowledges entries that are pending with this consumer; skips the others. May be repeated."""
        if ids:
            with translated():
                self._acknowledge(keys=[self._stream], args=self._acknowledgement(ids), client=self._client)

    def _acknowledgement(self, ids: Sequence[str]) -> list[str]:
        # The script looks at what is pending from the first of them to the last.
        return ["XACK", self.group, self.consumer, *sorted(ids, key=place)]

    def hold(self, ids: Sequence[str]) -> None:
        """Resets the idle time of these entries, so that no other consumer takes them over. Counts no delivery."""
        if ids:
            with translated():
                self._hold(keys=[self._stream], args=[self.group, self.consumer, *ids], client=self._client)

    def give_back(self, idle: timedelta) -> Sequence[str]:
        """Offers every entry that this consumer has not acknowledged to the others, counting no delivery (R17).

        idle: the idle time that each entry then shows. A consumer that takes over entries of this age takes them at
        once. Returns the ids of pending entries that are lost, because they were removed from the stream.
        """
        with translated():
            gone: list[bytes] = self._give_back(
                keys=[self._stream],
                args=[self.group, self.consumer, round(idle.total_seconds() * 1000)],
                client=self._client,
            )
        return [id_.decode() for id_ in gone]

    def leave(self) -> None:
        """Removes this consumer from the group unless it has pending entries, which would be lost with it."""
        with translated():
            self._leave(keys=[self._stream], args=[self.group, self.consumer], client=self._client)

    def remove_stale(self, idle: timedelta) -> int:
        """Removes the other consumers that have been silent for `idle` and have no pending entries.

        They belonged to processes that were killed. Returns how many were removed.
        """
        with translated():
            removed: int = self._remove_stale(
                keys=[self._stream],
                args=[self.group, self.consumer, round(idle.total_seconds() * 1000)],
                client=self._client,
            )
        return removed

    @property
    def _client(self) -> redis.Redis:
        """The client of the server that has the stream now: in a cluster it may move."""
        client = self._servers.of(self._address)
        reply_raw(client, "XREADGROUP", "XREAD", "XPENDING", "XRANGE")
        return client

    def _script(self, name: str) -> "Script":
        """Returns the script of this name. Each call of it names the client."""
        return self._servers.hints.register_script(script(name))

    def _pending(self, first: object, last: object, count: int) -> list[Any]:
        # [id, consumer, idle ms, deliveries] of this consumer's entries.
        reply: list[Any] = self._command("XPENDING", self._stream, self.group, first, last, count, self.consumer)
        return reply

    def _command(self, *arguments: Any) -> Any:
        with translated():
            return self._client.execute_command(*arguments)


def reply_raw(client: redis.Redis, *commands: str) -> None:
    """Makes the client return the replies to these commands as Redis sends them."""
    for command in commands:
        client.set_response_callback(command, lambda reply, **_: reply)


def entry_of(raw: Any, deliveries: int) -> Entry:
    """Returns the entry of a raw reply: its id, and its names and values in turn."""
    flat = raw[1]
    return Entry(raw[0].decode(), tuple(zip(flat[::2], flat[1::2], strict=True)), deliveries)
