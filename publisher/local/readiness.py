"""Tells when the processes of the Procfile are ready: each writes heartbeats from then on."""

import os
import re
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from publisher.local.children import Child
from publisher.local.procfile import procfile
from publisher.streams.heartbeats import ProcessRegister, ProcessSeen


class Readiness:
    """Whether the processes that this command has started are ready."""

    def __init__(self, register: ProcessRegister, running: Mapping[str, Child]) -> None:
        """Reads nothing yet. running: by their names in the Procfile."""
        self._register = register
        self._sessions = {child.pid: name for name, child in running.items()}
        self._expected = {name: _processes_of(command) for name, command in procfile().items() if name in running}

    def is_reached(self) -> bool:
        """True once every process has written a heartbeat. Raises RedisUnavailable or RedisRefused."""
        found = Counter(map(self._name_of, self._register.seen()))
        return all(found[name] >= count for name, count in self._expected.items())

    def _name_of(self, seen: ProcessSeen) -> str | None:
        """The process of ours that this one is, or belongs to: a worker is a child of Dramatiq's own process."""
        if seen.process.host == socket.gethostname():
            with suppress(ProcessLookupError, PermissionError):
                return self._sessions.get(os.getsid(seen.process.pid))
        return None


def _processes_of(command: str) -> int:
    found = re.search(r"--processes[ =](\d+)", command)
    return int(found[1]) if found else 1
