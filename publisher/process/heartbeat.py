"""This process's signs of life, every few seconds, for `publisher status`. Best effort: work never waits for one."""

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
from publisher.streams.heartbeats import Process, ProcessRegister, of_other_systems

_log = structlog.get_logger()
INTERVAL = timedelta(seconds=5)
# How long a process that stops waits until Redis has heard of it.
_FAREWELL = timedelta(seconds=1)


class Presence:
    """A thread that says at intervals that this process lives, until it is told to stop."""

    def __init__(
        self,
        client: redis.Redis,
        role: str,
        interval: timedelta = INTERVAL,
        read_system: Callable[[], str] | None = None,
    ) -> None:
        """role: worker, clock or intake. read_system: asks the database which system this is; None where the process
        has no connection to it."""
        self._register = ProcessRegister(client)
        self._read_system = read_system
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
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Gives the first sign, and goes on."""
        self._thread.start()

    def stop(self) -> None:
        """Says that the process stops. Waits a second at most."""
        self._done.set()
        self._thread.join(_FAREWELL.total_seconds())

    def _run(self) -> None:
        swept = False
        while True:
            try:
                self._register.sign(self.process)
                if self._learn_system():
                    self._register.sign(self.process)
                if not swept:
                    # Once is enough: whoever was killed leaves a line, and whoever starts in its place clears up.
                    self._register.sweep()
                    swept = True
                self._look_for_others()
            except PublisherError as error:
                _log.debug("a sign of life was not given", error=str(error))
            if self._done.wait(self._interval.total_seconds()):
                break
        try:
            self._register.remove(self.process.id)
        except PublisherError as error:
            _log.debug("the end of this process was not told", error=str(error))

    def _learn_system(self) -> bool:
        """True once the database has said which system this is: it is asked after each sign until then."""
        if self._read_system is None or self.process.system:
            return False
        try:
            self.process = replace(self.process, system=self._read_system())
        except PublisherError as error:
            _log.debug("which system this is was not learnt yet", error=str(error))
        return bool(self.process.system)

    def _look_for_others(self) -> None:
        """Says so, once, if another system's processes live on this Redis and database number."""
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
def present(client: redis.Redis, role: str, read_system: Callable[[], str] | None = None) -> Iterator[None]:
    """Signs of life during the block."""
    presence = Presence(client, role, read_system=read_system)
    presence.start()
    try:
        yield
    finally:
        presence.stop()
