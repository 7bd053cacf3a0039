"""An independent consumer group on the outbound streams, which keeps a history of every command that it read."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import redis

from tests.faults.following import following, is_cluster
from tests.faults.invariants import DELIVERY_FIELDS, RENAMED, STREAMS, place

_STREAMS = (*STREAMS.values(), RENAMED)
_GROUP = "observer"
_NAME = "observer-1"


class Observer:
    """Reads in a thread of its own, as a careful consumer does: what it had read and not acknowledged comes first."""

    def __init__(self, url: str) -> None:
        self._client = following(url, timeout=5)
        # In a cluster each stream has a slot of its own, and is read alone.
        self._together = [[stream] for stream in _STREAMS] if is_cluster(url) else [_STREAMS]
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        # Delivery id -> place -> when it was first seen, on the monotonic clock.
        self._seen: dict[str, dict[str, float]] = {}
        self._latest = 0.0
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        self._thread.join()
        self._client.close()

    @property
    def deliveries(self) -> int:
        """How many delivery ids it has seen."""
        with self._lock:
            return len(self._seen)

    def saw_any(self, delivery_ids: Iterable[str]) -> bool:
        """True once it has seen one of these."""
        with self._lock:
            return any(delivery_id in self._seen for delivery_id in delivery_ids)

    def seen_since(self, moment: float) -> float | None:
        """When the first command came that was seen for the first time after this moment, if any did."""
        with self._lock:
            if self._latest <= moment:
                return None
            return min(at for entries in self._seen.values() for at in entries.values() if at > moment)

    def missed(self, commands: Mapping[str, Sequence[str]]) -> list[str]:
        """What stands on the streams, and was not seen."""
        with self._lock:
            return [
                f"{delivery_id} stands at {entry}, and the observer never saw it"
                for delivery_id, entries in commands.items()
                for entry in entries
                if entry not in self._seen.get(delivery_id, {})
            ]

    def gone(self, commands: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """What was seen, and does not stand on the streams any more: delivery id -> places."""
        with self._lock:
            gone = {id_: [e for e in entries if e not in commands.get(id_, ())] for id_, entries in self._seen.items()}
        return {id_: entries for id_, entries in gone.items() if entries}

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for stream in _STREAMS:
                    with suppress(redis.ResponseError):
                        self._client.xgroup_create(stream, _GROUP, id="0", mkstream=True)
                while self._read("0"):
                    pass
                while not self._stopping.is_set():
                    self._read(">")
            except redis.RedisError:
                self._stopping.wait(0.05)

    def _read(self, position: str) -> int:
        return sum(self._read_together(streams, position) for streams in self._together)

    def _read_together(self, names: Sequence[str], position: str) -> int:
        streams: dict[Any, Any] = dict.fromkeys(names, position)
        reply: Any = self._client.xreadgroup(_GROUP, _NAME, streams, count=500, block=200 // len(self._together))
        count = 0
        for stream, entries in reply or ():
            self._note([(place(stream.decode(), id_.decode()), fields) for id_, fields in entries if fields])
            if entries:
                self._client.xack(stream, _GROUP, *(id_ for id_, _ in entries))
            count += len(entries)
        return count

    def _note(self, entries: list[tuple[str, Mapping[bytes, bytes]]]) -> None:
        now = time.monotonic()
        with self._lock:
            for entry_id, fields in entries:
                delivery_id = next(fields[name].decode() for name in DELIVERY_FIELDS if name in fields)
                known = self._seen.setdefault(delivery_id, {})
                if entry_id not in known:
                    known[entry_id] = self._latest = now
