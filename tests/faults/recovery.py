"""Recovery drills: one fault at a time under load, and the seconds until the service has recovered from it."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.fleet import Fleet
from tests.faults.observer import Observer
from tests.faults.producer import Producer
from tests.faults.servers import Servers
from tests.waiting import wait_until

WORKERS = ("worker-a", "worker-b")
KILLED = "SIGKILL of the workers: what they had leased is published"
TOLD = "SIGTERM to the workers: what they had leased is published or free"
VALKEY_BACK = "Valkey is back: an intent sent since is a command"
POSTGRESQL_BACK = "PostgreSQL is back: an intent sent since is a command"

# Bad addresses are never published.
_LEASED = """
SELECT id, lease_token FROM routes
WHERE lease_expires_at > statement_timestamp() AND (channel = 'push' OR resolved_email LIKE '%@%')
"""
# One with a deadline may have expired meanwhile, and any may have been cancelled.
_NOT_OUT = """
SELECT id, channel, status, attempt_count, last_failure_classification FROM routes
WHERE id = ANY(%s) AND status NOT IN ('published', 'expired', 'cancelled')
"""
_HELD = "SELECT id FROM routes WHERE lease_token = ANY(%s) AND lease_expires_at > statement_timestamp()"


@dataclass(frozen=True)
class Recovery:
    """How long each recovery took, in seconds, and what was promised, if anything."""

    what: str
    seconds: Sequence[float]
    bound: float | None = None

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def longest(self) -> float:
        """The maximum."""
        return max(self.seconds)


class Drills:
    """One fault at a time, each measured."""

    def __init__(self, servers: Servers, fleet: Fleet, observer: Observer, producer: Producer) -> None:
        self._servers, self._fleet, self._observer, self._producer = servers, fleet, observer, producer
        self.measured: dict[str, list[float]] = defaultdict(list)
        self.kills = 0

    def kill_workers(self) -> None:
        """Kills both workers while they hold leases and wait for Valkey, which never hears of it."""
        proxy, ids = self._servers.valkey.proxy, []
        # A worker may have given its leases up just before it was killed.
        while not ids:
            proxy.swallow(b"EVALSHA", b"publisher:witness:")
            self._wait_for_leases()
            start = time.monotonic()
            self._fleet.kill(*WORKERS)
            self.kills += len(WORKERS)
            ids = [row[0] for row in self._servers.postgresql.rows(_LEASED)]
            proxy.cut_held()
            proxy.resume()
        rows = self._servers.postgresql.rows
        wait_until(lambda: not rows(_NOT_OUT, ids), within=30, describe=lambda: f"{KILLED}: {rows(_NOT_OUT, ids)}")
        self.measured[KILLED].append(time.monotonic() - start)
        self._settle()

    def stop_workers(self) -> None:
        """Tells both workers to stop while claims of theirs are on the way back to them."""
        proxy = self._servers.postgresql.proxy
        # So that a lease stands for a while before its owner knows of it.
        proxy.delay(0.03)
        self._wait_for_leases()
        start = time.monotonic()
        stopping = threading.Thread(target=self._fleet.terminate, args=WORKERS)
        stopping.start()
        tokens = [row[1] for row in self._servers.postgresql.rows(_LEASED)]
        wait_until(lambda: not self._servers.postgresql.rows(_HELD, tokens), within=30, describe=lambda: TOLD)
        self.measured[TOLD].append(time.monotonic() - start)
        stopping.join()
        proxy.resume()
        self._settle()

    def restart_valkey(self, down: float) -> None:
        """Kills Valkey and starts it again after so many seconds."""
        self._note_first(VALKEY_BACK, self._servers.valkey.restart(down))

    def restart_postgresql(self, down: float) -> None:
        """Ends PostgreSQL as a crash would, and starts it again after so many seconds."""
        self._note_first(POSTGRESQL_BACK, self._servers.postgresql.restart(down))

    def _note_first(self, what: str, back: float) -> None:
        wait_until(lambda: self._observer.saw_any(self._producer.asked_since(back)), within=30, describe=lambda: what)
        self.measured[what].append(time.monotonic() - back)
        self._settle()

    def _settle(self) -> None:
        """Waits until the next fault is one alone."""
        for slot in self._fleet.slots.values():
            self._fleet.wait_until_ready(slot)
        # The first connections of new processes, and the audit of a server that came back.
        seen = self._observer.deliveries
        wait_until(lambda: self._observer.deliveries > seen, describe=lambda: "nothing is published")

    def _wait_for_leases(self) -> None:
        wait_until(lambda: self._servers.postgresql.rows(_LEASED), describe=lambda: "no route was leased")
