"""Heartbeats of the service's processes, in one hash in Redis, for people: no work depends on them.

It is one hash and not a key for each process, because a search for keys would walk over every witness that Redis holds.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis

from publisher.domain.instants import from_milliseconds, to_milliseconds
from publisher.domain.trouble import Trouble
from publisher.streams.keys import PROCESSES
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated

_HEARTBEAT = script("heartbeat")
# How long a process that was killed is still shown.
REMEMBERED = timedelta(hours=1)
# How often a process renews the TTL of the hash, which is longer by as much.
_RENEWAL = timedelta(minutes=1)
# One sign of life is given every five seconds: a process that is silent for longer was killed, or cannot reach Redis.
SILENT = timedelta(seconds=15)
# A process that has been silent for longer is dead, or is about to end itself.
_LIVING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the service, as it describes itself.

    id: a random text.
    role: worker, clock, intake or mailer.
    started_at: by its own clock.
    system: the identity of its database (`storage.identity`), or blank while it has not read that.
    metrics_port: where its counters are served; 0: nowhere. The workers of one master share one.
    trouble: of a mailer, why it can send no mail; None: as far as it knows, it can.
    """

    id: str
    role: str
    host: str
    pid: int
    started_at: datetime
    version: str
    system: str = ""
    metrics_port: int = 0
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process and its last heartbeat, by the clock of Redis.

    seen_at: when the last heartbeat was written.
    silent: the time since then.
    """

    process: Process
    seen_at: datetime
    silent: timedelta

    @property
    def is_silent(self) -> bool:
        """True if it was killed, or cannot reach Redis."""
        return self.silent > SILENT


class ProcessRegister:
    """The heartbeats in Redis. Safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(_HEARTBEAT)
        self._renewed = float("-inf")

    def sign(self, process: Process) -> None:
        """Writes a heartbeat of this process. Raises RedisUnavailable or RedisRefused."""
        said = {
            "role": process.role,
            "host": process.host,
            "pid": process.pid,
            "started_at_ms": to_milliseconds(process.started_at),
            "version": process.version,
            "system": process.system,
            "metrics_port": process.metrics_port,
        }
        if process.trouble is not None:
            said |= {"trouble": process.trouble.error, "trouble_since_ms": to_milliseconds(process.trouble.since)}
        now, kept = time.monotonic(), REMEMBERED + _RENEWAL
        renews = now - self._renewed >= _RENEWAL.total_seconds()
        arguments: list[str | int] = [process.id, json.dumps(said), int(renews), round(kept.total_seconds() * 1000)]
        with translated():
            self._script(keys=[PROCESSES], args=arguments)
        if renews:
            self._renewed = now

    def remove(self, *ids: str) -> None:
        """Removes processes; one that stops removes itself. Raises RedisUnavailable or RedisRefused."""
        if ids:
            with translated():
                self._client.hdel(PROCESSES, *ids)

    def seen(self) -> list[ProcessSeen]:
        """Reads every process with a heartbeat within the last hour, ordered by role, host and pid.

        A heartbeat in a form that this release does not know is left out. Raises RedisUnavailable or RedisRefused.
        """
        return [seen for _, seen in self._all() if seen is not None and seen.silent <= REMEMBERED]

    def sweep(self) -> None:
        """Removes processes without a heartbeat within the last hour. Raises RedisUnavailable or RedisRefused."""
        self.remove(*(id_ for id_, seen in self._all() if seen is not None and seen.silent > REMEMBERED))

    def _all(self) -> Sequence[tuple[str, ProcessSeen | None]]:
        with translated(), self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(PROCESSES)
            pipe.time()
            said, (seconds, microseconds) = pipe.execute()
        now = from_milliseconds(seconds * 1000 + microseconds // 1000)
        found = [(id_.decode(errors="replace"), value) for id_, value in said.items()]
        read = [(id_, _read(id_, value, now)) for id_, value in found]
        return sorted(read, key=lambda pair: _place(pair[1]))


def of_other_systems(seen: Sequence[ProcessSeen], system: str) -> list[ProcessSeen]:
    """Returns the living processes whose database is another one than `system`."""
    return [s for s in seen if s.process.system not in ("", system) and s.silent <= _LIVING]


def _read(id_: str, value: bytes, now: datetime) -> ProcessSeen | None:
    try:
        at, _, said = value.decode().partition(" ")
        fields: dict[str, Any] = json.loads(said)
        seen_at = from_milliseconds(int(at))
        process = Process(
            id=id_,
            role=str(fields["role"]),
            host=str(fields["host"]),
            pid=int(fields["pid"]),
            started_at=from_milliseconds(int(fields["started_at_ms"])),
            version=str(fields["version"]),
            # Processes of earlier releases do not write these.
            system=str(fields.get("system", "")),
            metrics_port=int(fields.get("metrics_port", 0)),
            trouble=_trouble(fields),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return ProcessSeen(process, seen_at, max(now - seen_at, timedelta(0)))


def _trouble(fields: Mapping[str, Any]) -> Trouble | None:
    if "trouble" not in fields:
        return None
    return Trouble(str(fields["trouble"]), from_milliseconds(int(fields["trouble_since_ms"])))


def _place(seen: ProcessSeen | None) -> tuple[str, str, int]:
    return ("", "", 0) if seen is None else (seen.process.role, seen.process.host, seen.process.pid)
