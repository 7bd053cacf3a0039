"""The consumer group on the intents stream: reading, recovering, acknowledging (spec section 5).

XREADGROUP is a write: it moves entries into the reader's pending list. When its reply is lost they stay there,
and a plain `>` never shows them again. So a reader that starts, or that saw any error, first reads its own
pending list to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.connection import translated


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands on the stream. deliveries: how often it was given to a consumer, this time included."""

    id: str
    fields: tuple[tuple[bytes, bytes], ...]
    deliveries: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """Entries that some consumer had read and not acknowledged. trimmed: ids whose entry is gone for ever."""

    entries: Sequence[Entry]
    trimmed: Sequence[str]
    more: bool


class IntentsGroup:
    """One consumer of the group. One thread at a time."""

    def __init__(self, client: redis.Redis, stream: str, group: str, consumer: str) -> None:
        """Takes a client of its own: replies are read raw, since redis-py's parsed form loses repeated fields."""
        self._client = client
        self._stream = stream
        self._group = group
        self.consumer = consumer
        for command in ("XREADGROUP", "XAUTOCLAIM", "XPENDING"):
            client.set_response_callback(command, lambda reply, **_: reply)

    def create(self) -> None:
        """Creates stream and group if they are missing, from the stream's beginning: nothing is skipped."""
        try:
            with translated():
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except RedisRefused as error:
            if "BUSYGROUP" not in str(error):
                raise

    def read(self, count: int, block: timedelta) -> list[Entry]:
        """New entries, waiting up to `block` for the first. Raises RedisUnavailable; RedisRefused with NOGROUP
        when the group is gone: call `create`, then `recover_own`."""
        reply = self._command(
            *("XREADGROUP", "GROUP", self._group, self.consumer, "COUNT", count),
            *("BLOCK", max(1, round(block.total_seconds() * 1000)), "STREAMS", self._stream, ">"),
        )
        return [_entry(raw, 1) for raw in (reply[0][1] if reply else [])]

    def recover_own(self, count: int) -> Recovered:
        """The oldest entries of this consumer's own pending list: read, and not acknowledged."""
        reply = self._command(
            "XREADGROUP", "GROUP", self._group, self.consumer, "COUNT", count, "STREAMS", self._stream, "0"
        )
        return self._recovered(reply[0][1] if reply else [], more_than=count - 1)

    def recover_others(self, count: int, idle: timedelta) -> Recovered:
        """Takes over entries that other consumers have left unacknowledged for `idle`."""
        cursor, raw, *deleted = self._command(
            *("XAUTOCLAIM", self._stream, self._group, self.consumer),
            *(round(idle.total_seconds() * 1000), "0-0", "COUNT", count),
        )
        recovered = self._recovered([r for r in raw if r is not None], more_than=len(raw))
        trimmed = [*recovered.trimmed, *(id_.decode() for id_ in (deleted[0] if deleted else []))]
        return Recovered(recovered.entries, trimmed, more=cursor != b"0-0")

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Removes these from the pending list. May be repeated."""
        if ids:
            with translated():
                self._client.xack(self._stream, self._group, *ids)

    def leave(self) -> None:
        """Removes this consumer from the group if it has nothing pending: removing it would lose that."""
        if not self._pending("-", "+", 1):
            with translated():
                self._client.xgroup_delconsumer(self._stream, self._group, self.consumer)

    def _recovered(self, raw: Sequence[Any], more_than: int) -> Recovered:
        if not raw:
            return Recovered((), (), more=False)
        # A trimmed entry is listed with its id and without fields.
        trimmed = [r[0].decode() for r in raw if not r[1]]
        present = [r for r in raw if r[1]]
        counts = {p[0]: p[3] for p in self._pending(raw[0][0], raw[-1][0], len(raw))}
        entries = [_entry(r, int(counts.get(r[0], 2))) for r in present]
        return Recovered(entries, trimmed, more=len(raw) > more_than)

    def _pending(self, first: object, last: object, count: int) -> list[Any]:
        # [id, consumer, idle ms, deliveries] of this consumer's entries.
        reply: list[Any] = self._command("XPENDING", self._stream, self._group, first, last, count, self.consumer)
        return reply

    def _command(self, *arguments: Any) -> Any:
        with translated():
            return self._client.execute_command(*arguments)


def _entry(raw: Any, deliveries: int) -> Entry:
    flat = raw[1]
    return Entry(raw[0].decode(), tuple(zip(flat[::2], flat[1::2], strict=True)), deliveries)
