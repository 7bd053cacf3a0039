"""The consumer group on the intents stream: reading, recovering, acknowledging.

XREADGROUP is a write: it moves entries into the reader's pending list. When its reply is lost they stay there,
and a plain `>` never shows them again. So a reader that starts, or that saw any error, first reads its own
pending list to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any

import redis

from publisher.domain.errors import RedisRefused
from publisher.streams.connection import translated
from publisher.streams.groups import unread
from publisher.streams.intents_losses import KEPT, losses_key


@dataclass(frozen=True, slots=True)
class Standing:
    """How an entry stands on the stream.

    is_read: whether the group has given it to anyone yet. consumer: who holds it, unacknowledged, since idle ago, when
    it was given out for the deliveries-th time; None: nobody does.
    """

    is_read: bool
    consumer: str | None = None
    idle: timedelta = timedelta(0)
    deliveries: int = 0

    @property
    def is_acknowledged(self) -> bool:
        """True if intake is done with it."""
        return self.is_read and self.consumer is None


_ACKNOWLEDGE = files("publisher.streams").joinpath("acknowledge.lua").read_text()
_GIVE_BACK = files("publisher.streams").joinpath("give_back.lua").read_text()
_HOLD = files("publisher.streams").joinpath("hold.lua").read_text()
_LEAVE = files("publisher.streams").joinpath("leave.lua").read_text()
_GAP = files("publisher.streams").joinpath("gap.lua").read_text()
_REMOVE_STALE = files("publisher.streams").joinpath("remove_stale.lua").read_text()


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
        self._looked_to = b"0-0"
        self._acknowledge = client.register_script(_ACKNOWLEDGE)
        self._give_back = client.register_script(_GIVE_BACK)
        self._hold = client.register_script(_HOLD)
        self._leave = client.register_script(_LEAVE)
        self._gap = client.register_script(_GAP)
        self._remove_stale = client.register_script(_REMOVE_STALE)
        _reply_raw(client, "XREADGROUP", "XAUTOCLAIM", "XPENDING", "XRANGE", "XREAD")

    def create(self) -> None:
        """Creates stream and group if they are missing, from the stream's beginning: nothing is skipped."""
        with translated():
            self._client.script_load(_GAP)
        try:
            with translated():
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except RedisRefused as error:
            if "BUSYGROUP" not in str(error):
                raise

    def read(self, count: int, block: timedelta) -> list[Entry]:
        """New entries, waiting up to `block` for the first. Raises RedisUnavailable; RedisRefused with NOGROUP
        when the group is gone: call `create`, then `recover_own`.

        Each reading looks for a gap before it, in the same step: entries that somebody removed unread are kept as a
        loss (see gap.lua). So the wait itself reads nothing for the group.
        """
        entries, delivered = self._take(count)
        if entries or delivered is None:
            return entries
        milliseconds = max(1, round(block.total_seconds() * 1000))
        if self._command("XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", self._stream, delivered):
            entries, _ = self._take(count)
        return entries

    def _take(self, count: int) -> tuple[list[Entry], bytes | None]:
        """Entries that nobody was given, and the last id that was delivered before; None if the look was not had."""
        with translated(), self._client.pipeline(transaction=True) as pipe:
            keys = self._stream, losses_key(self._stream)
            pipe.evalsha(self._gap.sha, 2, *keys, self._group, round(KEPT.total_seconds() * 1000))
            pipe.execute_command(
                *("XREADGROUP", "GROUP", self._group, self.consumer, "COUNT", count, "STREAMS", self._stream, ">")
            )
            delivered, reply = pipe.execute(raise_on_error=False)
            if isinstance(reply, redis.RedisError):
                raise reply
            if isinstance(delivered, redis.exceptions.NoScriptError):
                self._client.script_load(_GAP)
                delivered = None
            elif isinstance(delivered, redis.RedisError):
                raise delivered
        return [_entry(raw, 1) for raw in (reply[0][1] if reply else [])], delivered

    def recover_own(self, count: int) -> Recovered:
        """The oldest entries of this consumer's own pending list: read, and not acknowledged.

        Looks without reading: an XREADGROUP of the list would count a delivery, and this consumer is alive.
        """
        pending = self._pending("-", "+", count)
        with translated(), self._client.pipeline(transaction=False) as pipe:
            for id_, *_ in pending:
                pipe.execute_command("XRANGE", self._stream, id_, id_)
            found = pipe.execute()
        entries, trimmed = [], []
        for (id_, _, _, deliveries), raw in zip(pending, found, strict=True):
            if raw:
                entries.append(_entry(raw[0], deliveries))
            else:
                trimmed.append(id_.decode())
        return Recovered(entries, trimmed, more=len(pending) == count)

    def recover_others(self, count: int, idle: timedelta) -> Recovered:
        """Takes over entries that other consumers have left unacknowledged for `idle`.

        One call looks at a part of the list, and may find nothing there; the next goes on behind it (`more`).
        """
        self._looked_to, raw, *deleted = self._command(
            *("XAUTOCLAIM", self._stream, self._group, self.consumer),
            *(round(idle.total_seconds() * 1000), self._looked_to, "COUNT", count),
        )
        present = [r for r in raw if r is not None]
        counts = {p[0]: p[3] for p in self._pending(present[0][0], present[-1][0], len(present))} if present else {}
        entries = [_entry(r, int(counts.get(r[0], 2))) for r in present]
        trimmed = [id_.decode() for id_ in (deleted[0] if deleted else [])]
        return Recovered(entries, trimmed, more=self._looked_to != b"0-0")

    def between(self, after: str, up_to: str, count: int) -> list[Entry]:
        """The first entries behind the one id, up to the other, as they stand on the stream. Reads them for nobody."""
        return [_entry(raw, 0) for raw in self._command("XRANGE", self._stream, f"({after}", up_to, "COUNT", count)]

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Removes those of these from the pending list that are pending with this consumer. May be repeated."""
        if ids:
            with translated():
                self._acknowledge(keys=[self._stream], args=["XACK", self._group, self.consumer, *ids])

    def hold(self, ids: Sequence[str]) -> None:
        """Makes these look freshly read, so that nobody takes them over. Counts no delivery."""
        if ids:
            with translated():
                self._hold(keys=[self._stream], args=[self._group, self.consumer, *ids])

    def give_back(self, idle: timedelta) -> Sequence[str]:
        """Makes all that this consumer has read and not acknowledged free for others, counting no delivery (R17).

        Each entry looks untouched for `idle`: whoever takes over what is as old takes it at once. Returns the ids of
        entries that are gone from the stream for ever; they are no longer pending.
        """
        with translated():
            gone: list[bytes] = self._give_back(
                keys=[self._stream], args=[self._group, self.consumer, round(idle.total_seconds() * 1000)]
            )
        return [id_.decode() for id_ in gone]

    def leave(self) -> None:
        """Removes this consumer from the group if it has nothing pending: removing it would lose that."""
        with translated():
            self._leave(keys=[self._stream], args=[self._group, self.consumer])

    def remove_stale(self, idle: timedelta) -> int:
        """Removes the group's other consumers that have nothing pending and have not been seen for `idle`:
        those of processes that were killed. Returns how many."""
        with translated():
            removed: int = self._remove_stale(
                keys=[self._stream], args=[self._group, self.consumer, round(idle.total_seconds() * 1000)]
            )
        return removed

    def _pending(self, first: object, last: object, count: int) -> list[Any]:
        # [id, consumer, idle ms, deliveries] of this consumer's entries.
        reply: list[Any] = self._command("XPENDING", self._stream, self._group, first, last, count, self.consumer)
        return reply

    def _command(self, *arguments: Any) -> Any:
        with translated():
            return self._client.execute_command(*arguments)


def find_entry(client: redis.Redis, stream: str, group: str, entry_id: str) -> tuple[Entry, Standing] | None:
    """The entry of this id and how it stands with the group, or None if it is not on the stream. Changes nothing.

    Takes a client of its own, as IntentsGroup does. The look is no snapshot: an entry that is read meanwhile may be
    told as waiting. What is told as acknowledged was committed before (R20).
    """
    _reply_raw(client, "XRANGE", "XPENDING", "XINFO GROUPS")
    with translated():
        found = client.execute_command("XRANGE", stream, entry_id, entry_id)
        if not found:
            return None
        groups = [dict(zip(g[::2], g[1::2], strict=True)) for g in client.execute_command("XINFO GROUPS", stream)]
        delivered = next((g[b"last-delivered-id"].decode() for g in groups if g[b"name"] == group.encode()), None)
        if delivered is None or _place(delivered) < _place(entry_id):
            return _entry(found[0], 0), Standing(is_read=False)
        held = client.execute_command("XPENDING", stream, group, entry_id, entry_id, 1)
    if not held:
        return _entry(found[0], 0), Standing(is_read=True)
    [(_, consumer, idle, deliveries)] = held
    name = consumer.decode(errors="replace")
    return _entry(found[0], deliveries), Standing(True, name, timedelta(milliseconds=idle), deliveries)


def _place(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def _reply_raw(client: redis.Redis, *commands: str) -> None:
    for command in commands:
        client.set_response_callback(command, lambda reply, **_: reply)


def _entry(raw: Any, deliveries: int) -> Entry:
    flat = raw[1]
    return Entry(raw[0].decode(), tuple(zip(flat[::2], flat[1::2], strict=True)), deliveries)


@dataclass(frozen=True, slots=True)
class GroupState:
    """What waits on the intents stream. lag: entries not read yet, None where the server cannot tell."""

    lag: int | None = 0
    pending: int = 0
    consumers: int = 0


def group_state(client: redis.Redis, stream: str, group: str) -> GroupState:
    """The state of the group; all zero where there is no stream or group yet."""
    try:
        with translated():
            groups = client.xinfo_groups(stream)
    except RedisRefused as error:
        if "no such key" not in str(error):
            raise
        return GroupState()
    for found in groups:
        if found["name"] == group.encode():
            return GroupState(unread(client, stream, found).count, found["pending"], found["consumers"])
    with translated():
        return GroupState(lag=client.xlen(stream))
