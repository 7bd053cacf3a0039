"""The processes that live, and when each was last heard of: one hash in Redis. For people alone, nothing depends on it.

One hash and not a key each: to find keys, Redis would walk past every witness it holds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis

from publisher.domain.instants import from_milliseconds, to_milliseconds
from publisher.streams.connection import translated
from publisher.streams.keys import PROCESSES
from publisher.streams.scripts import script

_SIGN_OF_LIFE = script("heartbeat")
# A process that was killed is shown for so long, and then forgotten.
REMEMBERED = timedelta(hours=1)
# A process that has been silent for so long does not live, or is about to end itself.
_LIVING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Process:
    """What a process says of itself.

    id: a random text. role: worker, clock or intake. started_at: by its own clock. system: which database it keeps its
    truth in (`storage.identity`), blank while it has not read that.
    """

    id: str
    role: str
    host: str
    pid: int
    started_at: datetime
    version: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """A process, when it last gave a sign of life, and how long it had been silent when that was read. By Redis's
    clock."""

    process: Process
    seen_at: datetime
    silent: timedelta


class ProcessRegister:
    """Where processes give their signs of life. Safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(_SIGN_OF_LIFE)

    def sign(self, process: Process) -> None:
        """Says that this process lives now. Raises RedisUnavailable or RedisRefused."""
        said = {
            "role": process.role,
            "host": process.host,
            "pid": process.pid,
            "started_at_ms": to_milliseconds(process.started_at),
            "version": process.version,
            "system": process.system,
        }
        arguments: list[str | int] = [process.id, json.dumps(said), round(REMEMBERED.total_seconds() * 1000)]
        with translated():
            self._script(keys=[PROCESSES], args=arguments)

    def remove(self, *ids: str) -> None:
        """Forgets processes: those that stop do so themselves. Raises RedisUnavailable or RedisRefused."""
        if ids:
            with translated():
                self._client.hdel(PROCESSES, *ids)

    def seen(self) -> list[ProcessSeen]:
        """Every process heard of within the last hour, by role, host and pid.

        A line that is not understood, of a later version say, is left out. Raises RedisUnavailable or RedisRefused.
        """
        return [seen for _, seen in self._all() if seen is not None and seen.silent <= REMEMBERED]

    def sweep(self) -> None:
        """Forgets those not heard of within the last hour. Raises RedisUnavailable or RedisRefused."""
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
    """Those that live, and keep their truth in another database than this one."""
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
            # Processes of earlier releases do not say it.
            system=str(fields.get("system", "")),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return ProcessSeen(process, seen_at, max(now - seen_at, timedelta(0)))


def _place(seen: ProcessSeen | None) -> tuple[str, str, int]:
    return ("", "", 0) if seen is None else (seen.process.role, seen.process.host, seen.process.pid)
