"""Sends the heartbeat of this process every few seconds, for `publisher status`. Best effort: no work waits for it."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version

import redis
import structlog

from publisher.domain.errors import PublisherError
from publisher.domain.instants import from_milliseconds
from publisher.domain.trouble import Trouble
from publisher.streams.heartbeats import Process, ProcessRegister, of_other_systems

_log = structlog.get_logger()
INTERVAL = timedelta(seconds=5)
# How long a process that stops waits for Redis.
_FAREWELL = timedelta(seconds=1)


class Heartbeat:
    """A thread that writes the heartbeat of this process to Redis at intervals, until `stop`."""

    def __init__(
        self,
        client: redis.Redis,
        role: str,
        interval: timedelta = INTERVAL,
        read_system: Callable[[], str] | None = None,
        read_port: Callable[[], int] | None = None,
        read_trouble: Callable[[], Trouble | None] | None = None,
    ) -> None:
        """Starts nothing yet.

        role: worker, clock, intake, mailer or web.
        read_system: reads the database's identity, or None if the process has no connection to the database.
        read_port: reads the port of this process's counters, 0 while they are not served; None: they never are.
        read_trouble: says what keeps this process from its work; None: it never says so.
        """
        self._register = ProcessRegister(client)
        self._read_system = read_system
        self._read_port = read_port
        self._read_trouble = read_trouble
        self._interval = interval
        self._told = False
        self._done = threading.Event()
        self.process = Process(
            id=secrets.token_hex(8),
            role=role,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=from_milliseconds(time.time_ns() // 1_000_000),
            version=version("notification-publisher"),
        )
        # A daemon: where it hangs in a call to Redis, the process ends without it.
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread, which writes the first heartbeat at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread and removes this process from Redis. Waits a second at most."""
        self._done.set()
        self._thread.join(_FAREWELL.total_seconds())

    def _run(self) -> None:
        swept = False
        while True:
            try:
                if self._read_port is not None:
                    self.process = replace(self.process, metrics_port=self._read_port())
                if self._read_trouble is not None:
                    self.process = replace(self.process, trouble=self._read_trouble())
                self._register.sign(self.process)
                if self._learn_system():
                    self._register.sign(self.process)
                if not swept:
                    # Once is enough: whoever was killed leaves a line, and whoever starts in its place clears up.
                    self._register.sweep()
                    swept = True
                self._look_for_others()
            except PublisherError as error:
                _log.debug("a heartbeat was not written", error=str(error))
            if self._done.wait(self._interval.total_seconds()):
                break
        try:
            self._register.remove(self.process.id)
        except PublisherError as error:
            _log.debug("this process was not removed from the heartbeats", error=str(error))

    def _learn_system(self) -> bool:
        """Reads which system this is, unless that is known. Returns True if it was learnt now: asked at each beat."""
        if self._read_system is None or self.process.system:
            return False
        try:
            self.process = replace(self.process, system=self._read_system())
        except PublisherError as error:
            _log.debug("which system this is was not learnt yet", error=str(error))
        return bool(self.process.system)

    def _look_for_others(self) -> None:
        """Logs an error, once, if processes of another system live on this Redis and database number."""
        if self._told or not self.process.system:
            return
        self._told = True
        others = of_other_systems(self._register.seen(), self.process.system)
        if others:
            _log.error(
                "another system uses this redis and database number: each takes the other's intents and messages",
                processes=[f"{seen.process.role} {seen.process.host} pid {seen.process.pid}" for seen in others],
            )


@contextmanager
def heartbeats(
    client: redis.Redis,
    role: str,
    read_system: Callable[[], str] | None = None,
    *,
    metrics_port: int = 0,
    read_trouble: Callable[[], Trouble | None] | None = None,
) -> Iterator[None]:
    """Writes heartbeats of this process during the block. metrics_port: of its counters; 0: they are not served.

    read_trouble: as `Heartbeat` has it.
    """
    heartbeat = Heartbeat(
        client, role, read_system=read_system, read_port=lambda: metrics_port, read_trouble=read_trouble
    )
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()
