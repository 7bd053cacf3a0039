"""Connects to the hosts of DATABASE_URL in turn, each within its part of the time.

libpq tries several hosts by itself, but gives a connection that is waited for through a callback no deadline for each
host: one that is silent, as a machine is that lost its power, would take all the time, and the next would never be
asked.
"""

import random
import time
from collections.abc import Sequence
from datetime import timedelta

import psycopg2.extensions

from storage.deadline import CannotConnect, PatientConnection

# With these only a host that takes writes is a good one, whichever it is.
_CHOOSES = frozenset({"read-write", "primary"})


class Connector:
    """Opens connections, for psycopg2's `connection_factory`. Safe to share between threads.

    Each host is asked by itself, within an equal part of the time that is left. Where target_session_attrs asks for a
    host that takes writes, the one that was found last comes first: after a failover a dead first host costs one
    connection its time, and not every one.
    """

    def __init__(self, connect_patience: timedelta, patience: timedelta | None) -> None:
        """connect_patience: how long connecting may take, whatever the number of hosts.

        patience: how long each answer may take then; None: without end.
        """
        self._connect_patience, self._patience = connect_patience, patience
        self._found = 0

    def __call__(self, dsn: str) -> PatientConnection:
        """Connects to the first host that lets us. Raises CannotConnect, which words what each of them said."""
        deadline = time.monotonic() + self._connect_patience.total_seconds()
        hosts = each_host(dsn)
        said: dict[str, None] = {}
        turns = self._turns(dsn, len(hosts))
        for left, number in zip(range(len(turns), 0, -1), turns, strict=True):
            part = timedelta(seconds=max(0.0, deadline - time.monotonic()) / left)
            try:
                connection = PatientConnection(hosts[number], part, self._patience)
            except CannotConnect as error:
                said[str(error)] = None
            else:
                self._found = number
                return connection
        raise CannotConnect("; ".join(said))

    def _turns(self, dsn: str, count: int) -> Sequence[int]:
        options = psycopg2.extensions.parse_dsn(dsn)
        turns = list(range(count))
        if options.get("load_balance_hosts") == "random":
            random.shuffle(turns)
        if options.get("target_session_attrs") in _CHOOSES:
            found = self._found
            turns.sort(key=lambda number: number != found)
        return turns


def each_host(dsn: str) -> list[str]:
    """Returns a connection string for each host of this one, in its order.

    Only the string itself where it names one host, or where hosts and ports are not as many: libpq says so.
    """
    options = psycopg2.extensions.parse_dsn(dsn)
    lists = {name: options[name].split(",") for name in ("host", "hostaddr", "port") if name in options}
    count = max(len(lists.get("host", ())), len(lists.get("hostaddr", ())))
    if count < 2 or any(len(values) not in {count, 1 if name == "port" else count} for name, values in lists.items()):
        return [dsn]
    return [
        psycopg2.extensions.make_dsn(dsn, **{name: values[n % len(values)] for name, values in lists.items()})
        for n in range(count)
    ]
