"""Appends commands to the channels' streams, once per delivery id within the dedup window (R12, R13)."""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import redis

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.streams.append_result import Appended, AppendResult, NotAppended, append_result
from publisher.streams.connection import translated
from publisher.streams.keys import IDENTITY, counted_key, limit_key, witness_key
from publisher.streams.rate_limits import RateLimits
from publisher.streams.scripts import script

_SCRIPT = script("append_once")
_END = script("end_once")
_STANDS = script("stands")
# Commands of one call, and their bytes, so that it ends within its timeout and does not hold Redis up for others: it
# takes a few milliseconds.
_CALL_COMMANDS = 100
_CALL_BYTES = 4 * 1024 * 1024
# Entries that one call reads: each may hold a command of a megabyte.
_LOOKS = 100
_ENTRY_ID = re.compile(r"[0-9]+-[0-9]+", re.ASCII)
# Names a witness: the stream, the delivery id and the replay, as `witness_key` takes them.
WitnessOf = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A command and the id under which it is published.

    replay: how often an operator had it published again.
    requeues: how often an operator requeued its route from the dead letters.
    """

    delivery_id: str
    command: Command
    replay: int = 0
    requeues: int = 0


class OutboundStreams:
    """The channels' streams. Safe to share between threads.

    limits: the token buckets of their rate limits (R30).
    """

    def __init__(self, client: redis.Redis, dedup_window: timedelta) -> None:
        """dedup_window: for how long a witness lives, from the append or from when it was last renewed."""
        self.dedup_window = dedup_window
        self.limits = RateLimits(client)
        self._client = client
        self._window_ms = round(dedup_window.total_seconds() * 1000)
        self._script = client.register_script(_SCRIPT)
        self._end = client.register_script(_END)
        self._stands = client.register_script(_STANDS)

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
        for chunk in _chunks(deliveries):
            if results and not go_on():
                return results
            try:
                results += self._append(channel, chunk, limit)
            except RedisUnavailable as error:
                # The other chunks would wait as long, one after the other, and outlive their lease.
                lost = NotAppended(str(error), channels_fault=True, unreachable=True)
                return results + [lost] * (len(deliveries) - len(results))
            except PublisherError as error:
                # The call as a whole, whatever the commands: no right to run it, say.
                results += [NotAppended(str(error), channels_fault=True)] * len(chunk)
        return results

    def end(self, deliveries: Sequence[WitnessOf], tombstones: Sequence[str]) -> list[str | None]:
        """Ends these deliveries, each with its tombstone: a late append of one appends nothing (R12).

        Returns for each the entry id of its command if that stands already: then there is no tombstone, and the witness
        lives for another window. May be repeated. Raises RedisUnavailable or RedisRefused.
        """
        ended: list[str | None] = [None] * len(deliveries)
        for at in _by_stream(deliveries).values():
            with translated():
                entries = self._end(
                    keys=[witness_key(*deliveries[n]) for n in at],
                    args=[self._window_ms, *(tombstones[n] for n in at)],
                )
            for n, entry in zip(at, entries, strict=True):
                ended[n] = _entry_id(entry)
        return ended

    def witnesses(self, deliveries: Sequence[WitnessOf]) -> list[str | None]:
        """Reads the witnesses of these deliveries, in order: each an entry id, or None if it is gone or a tombstone.

        Renews no witness (R12a). Raises RedisUnavailable or RedisRefused.
        """
        found: list[str | None] = [None] * len(deliveries)
        for stream, at in _by_stream(deliveries).items():
            with translated():
                entries = self._client.mget([witness_key(stream, *deliveries[n][1:]) for n in at])
            for n, entry in zip(at, entries, strict=True):
                found[n] = _entry_id(entry)
        return found

    def standing(self, deliveries: Sequence[WitnessOf], entry_ids: Sequence[str | None]) -> list[bool]:
        """Looks for commands whose witnesses are gone at their entries, and gives those found their witnesses (R12a).

        Returns for each whether it stands on its stream. False also if no field of the entry holds the delivery id, as
        with a third party's commands. Raises RedisUnavailable or RedisRefused.
        """
        stands = [False] * len(deliveries)
        for stream, all_at in _by_stream(deliveries).items():
            for start in range(0, len(all_at), _LOOKS):
                at = all_at[start : start + _LOOKS]
                with translated():
                    replies = self._stands(
                        keys=[stream, *(witness_key(stream, *deliveries[n][1:]) for n in at)],
                        args=[self._window_ms, *(text for n in at for text in (entry_ids[n] or "", deliveries[n][1]))],
                    )
                for n, reply in zip(at, replies, strict=True):
                    stands[n] = bool(reply)
        return stands

    def renewed_witnesses(self, deliveries: Sequence[WitnessOf]) -> list[str | None]:
        """As `witnesses`, but each witness found lives for another window, as after an append (R12)."""
        if not deliveries:
            return []
        with translated(), self._client.pipeline(transaction=False) as pipe:
            for of in deliveries:
                pipe.getex(witness_key(*of), px=self._window_ms)
            replies = pipe.execute(raise_on_error=False)
            for reply in replies:
                # A key of another type is no witness. After any other error the witness is unknown.
                if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
                    raise reply
        return [_entry_id(reply) for reply in replies]

    def identity(self) -> str:
        """Returns a text that changes when Redis may have lost data (R12a).

        It is made of the run id, the replication id and a key of ours.

        The key changes where the ids do not: after a FLUSHALL, an eviction of every key, or with another database
        number. Where INFO is not allowed, the key stands alone. All streams share it: processes of a deploy that
        renames a stream see the same Redis. Raises RedisUnavailable or RedisRefused.
        """
        ids = [self._info("server", "run_id"), self._info("replication", "master_replid")]
        with translated():
            mark = self._client.get(IDENTITY)
            if mark is None:
                self._client.set(IDENTITY, secrets.token_hex(8), nx=True)
                mark = self._client.get(IDENTITY)
        return ":".join([*ids, mark.decode() if isinstance(mark, bytes) else ""])

    def _info(self, section: str, field: str) -> str:
        """Returns a field of INFO; blank where INFO is not allowed, as on managed servers."""
        try:
            with translated():
                return str(self._client.info(section).get(field, ""))
        except RedisRefused:
            return ""

    def _append(self, channel: Channel, deliveries: Sequence[Delivery], limit: RateLimit | None) -> list[AppendResult]:
        stream = channel.stream
        witnesses = [witness_key(stream, d.delivery_id, d.replay) for d in deliveries]
        keys = [stream, counted_key(stream), limit_key(stream, channel.name), *witnesses]
        arguments: list[str | int | float] = [
            *(self._window_ms, channel.holds_back_at),
            *((limit.per_second, limit.burst) if limit else (0, 0)),
        ]
        for delivery in deliveries:
            flat = [text for pair in delivery.command.fields for text in pair]
            arguments += [delivery.requeues, len(flat), *flat]
        try:
            with translated():
                reply = self._script(keys=keys, args=arguments)
        except RedisUnavailable:
            # A pooled connection may have died since its last use, or the reply been lost: the script may be
            # repeated blindly, its witnesses tell what was done.
            with translated():
                reply = self._script(keys=keys, args=arguments)
        return [
            Appended(part.decode(), first=True)
            if isinstance(part, bytes)
            else append_result(channel, *(text.decode(errors="replace") for text in part))
            for part in reply
        ]


def _by_stream(deliveries: Sequence[WitnessOf]) -> dict[str, list[int]]:
    """Groups the deliveries' places by stream: one call keeps to one stream, and so to one cluster slot."""
    places: dict[str, list[int]] = {}
    for place, (stream, _, _) in enumerate(deliveries):
        places.setdefault(stream, []).append(place)
    return places


def _entry_id(value: object) -> str | None:
    """Returns the entry id in a witness, or None: a tombstone holds none."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else ""
    return text if _ENTRY_ID.fullmatch(text) else None


def _chunks(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    start, size = 0, 0
    for position, delivery in enumerate(deliveries):
        size += delivery.command.size
        if position > start and (position - start == _CALL_COMMANDS or size > _CALL_BYTES):
            yield deliveries[start:position]
            start, size = position, delivery.command.size
    if start < len(deliveries):
        yield deliveries[start:]
