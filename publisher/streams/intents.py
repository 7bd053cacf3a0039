"""The consumer group of the intents stream: a ConsumerGroup that also notices intents removed before they were read."""

import time
from collections.abc import Sequence
from datetime import timedelta

import redis

from publisher.streams.consumer_group import ConsumerGroup, Entry, entry_of
from publisher.streams.intents_losses import KEPT
from publisher.streams.keys import losses_key
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers

_GAP = script("gap")

# A group that was removed or set back is noticed after so long, unless a new entry comes, which is seen at once.
_RELIED_ON_SECONDS = 10.0


class IntentsGroup(ConsumerGroup):
    """One consumer of the intents group. One thread at a time."""

    def __init__(self, servers: StreamServers, address: str, group: str, consumer: str) -> None:
        """Takes clients of its own, as ConsumerGroup does."""
        super().__init__(servers, address, group, consumer)
        self._gap = self._script("gap")
        # The entry behind which the last wait found nothing, and until when (monotonic) that is relied on.
        self._last: bytes | None = None
        self._last_until = 0.0
        # Entries to acknowledge with the next reading.
        self._done: list[str] = []

    def create(self) -> bool:
        """Creates stream and group if they are missing, as ConsumerGroup does, and loads the script of `read`."""
        with translated():
            self._client.script_load(_GAP)
        created = super().create()
        self._last = None
        # They are pending, and come again.
        self._done = []
        return created

    def acknowledge_later(self, ids: Sequence[str]) -> None:
        """Acknowledges these entries with the next reading, in its round trip, or by `acknowledge_done`.

        If that reading fails, they come again.
        """
        self._done += ids

    def acknowledge_done(self) -> None:
        """Acknowledges now the entries that wait for the next reading."""
        done, self._done = self._done, []
        self.acknowledge(done)

    def read(self, count: int, block: timedelta) -> list[Entry]:
        """Reads at most `count` entries that no consumer has read; waits up to `block` for the first.

        Each reading looks for a gap before it, in the same transaction: entries that somebody removed unread are kept
        as a loss (gap.lua). So the wait itself reads nothing for the group. A wait that follows a vain one begins where
        that one ended, for a few seconds. Raises as ConsumerGroup.read does.
        """
        last, self._last = self._last, None
        if last is None or self._done or time.monotonic() >= self._last_until:
            entries, last = self._take(count)
            if entries or last is None:
                return entries
            self._last_until = time.monotonic() + _RELIED_ON_SECONDS
        milliseconds = max(1, round(block.total_seconds() * 1000))
        if self._command("XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", self._stream, last):
            entries, _ = self._take(count)
            return entries
        self._last = last
        return []

    def _take(self, count: int) -> tuple[list[Entry], bytes | None]:
        """Reads unread entries. Returns the id that was delivered last before, too; None if gap.lua did not run."""
        done, self._done = self._done, []
        client = self._client
        with translated(), client.pipeline(transaction=True) as pipe:
            keys = self._stream, losses_key(self._stream)
            if done:
                pipe.evalsha(self._acknowledge.sha, 1, self._stream, *self._acknowledgement(done))
            pipe.evalsha(self._gap.sha, 2, *keys, self.group, round(KEPT.total_seconds() * 1000))
            pipe.execute_command(
                *("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, "STREAMS", self._stream, ">")
            )
            *acknowledged, delivered, reply = pipe.execute(raise_on_error=False)
            if isinstance(reply, redis.RedisError):
                raise reply
            if isinstance(delivered, redis.exceptions.NoScriptError):
                client.script_load(_GAP)
                delivered = None
            elif isinstance(delivered, redis.RedisError):
                raise delivered
            for answer in acknowledged:
                if isinstance(answer, redis.exceptions.NoScriptError):
                    self.acknowledge(done)
                elif isinstance(answer, redis.RedisError):
                    raise answer
        return [entry_of(raw, 1) for raw in (reply[0][1] if reply else [])], delivered
