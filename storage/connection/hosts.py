"""Connects to the hosts of DATABASE_URL in turn, each within its part of the time, and notices a failover.

libpq tries several hosts by itself, and several addresses of one, but gives a connection that is waited for through a
callback no deadline for each: one that is silent, as a machine is that lost its power, would take all the time, and the
next would never be asked. Nor does it look again once it is connected: an old primary that is silent would be waited
for as long as a statement may take.
"""

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from typing import TypeVar

import psycopg2
import psycopg2.extensions

from storage.connection.deadline import CannotConnect, PatientConnection, cannot_connect

_T = TypeVar("_T")
# With these only a host that takes writes is a good one, whichever it is. The server itself is asked: a pooler goes on
# telling what its server said of itself before a failover, and libpq would believe it.
_TAKES_WRITES = {
    "read-write": "/* takes_writes */ SELECT NOT current_setting('transaction_read_only')::boolean",
    "primary": "/* is_primary */ SELECT NOT pg_is_in_recovery()",
}

# Whether a server is a standby, and when it was started, by which it is told from others.
STARTED = "/* read_start */ SELECT pg_is_in_recovery(), extract(epoch FROM pg_postmaster_start_time())::text"


class Connector:
    """Opens connections, for psycopg2's `connection_factory`. Safe to share between threads.

    Each host is asked by itself, within an equal part of the time that is left, and so is each address of its name.
    Where target_session_attrs asks for a host that takes writes, the one that was found last comes first: after a
    failover a dead first host costs one connection its time, and not every one. Connections to another than the one
    found last are left then.
    """

    def __init__(self, connect_patience: timedelta, patience: timedelta | None) -> None:
        """connect_patience: how long connecting may take, whatever the number of hosts.

        patience: how long each answer may take then; None: without end.
        """
        self.connect_patience, self._patience = connect_patience, patience
        self.found = 0

    def __call__(self, dsn: str) -> PatientConnection:
        """Connects to the first host that lets us. Raises CannotConnect, which words what each of them said."""
        hosts = each_host(dsn)
        turns = list(range(len(hosts)))
        options = psycopg2.extensions.parse_dsn(dsn)
        if options.get("load_balance_hosts") == "random":
            random.shuffle(turns)
        if len(hosts) == 1 or options.get("target_session_attrs") not in _TAKES_WRITES:
            return self.connect(hosts, turns, self.connect_patience)
        found = self.found
        turns.sort(key=lambda number: number != found)
        return self.connect(hosts, turns, self.connect_patience, watched=True)

    def connect(
        self, hosts: Sequence[str], turns: Sequence[int], within: timedelta, *, watched: bool = False
    ) -> PatientConnection:
        """Connects to the first of these hosts that lets us, and notes which it is.

        turns: their numbers, in the order in which they are asked.
        watched: the connection is left once another host takes writes.
        Raises CannotConnect.
        """

        def of_host(number: int, part: timedelta) -> PatientConnection:
            connection = _first(each_address(hosts[number]), part, self._open)
            self.found = number
            connection.named = len(hosts)
            connection.others = _Others(self, hosts, number) if watched else None
            return connection

        return _first(turns, within, of_host)

    def _open(self, dsn: str, within: timedelta) -> PatientConnection:
        """Connects to one address, and asks it whether it takes writes, if it must. Raises CannotConnect."""
        deadline = time.monotonic() + within.total_seconds()
        question = _TAKES_WRITES.get(psycopg2.extensions.parse_dsn(dsn).get("target_session_attrs", ""))
        if question is None:
            return PatientConnection(dsn, within, self._patience)
        connection = PatientConnection(psycopg2.extensions.make_dsn(dsn, target_session_attrs="any"), within, None)
        try:
            connection.patience = timedelta(seconds=max(0.0, deadline - time.monotonic()))
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(question)
                [[takes_writes]] = cursor.fetchall()
            connection.autocommit = False
        except psycopg2.Error as error:
            connection.close()
            raise cannot_connect(str(error), dsn) from None
        if not takes_writes:
            connection.close()
            raise cannot_connect("session is read-only", dsn)
        connection.patience = self._patience
        return connection


def _first(
    candidates: Sequence[_T], within: timedelta, connect: Callable[[_T, timedelta], PatientConnection]
) -> PatientConnection:
    """Connects to the first that lets us, each within an equal part of the time that is left. Raises CannotConnect."""
    deadline = time.monotonic() + within.total_seconds()
    said: dict[str, None] = {}
    for asked, candidate in enumerate(candidates):
        part = timedelta(seconds=max(0.0, deadline - time.monotonic()) / (len(candidates) - asked))
        try:
            return connect(candidate, part)
        except CannotConnect as error:
            said[str(error)] = None
    raise CannotConnect("; ".join(said))


class _Others:
    """The other hosts of a connection's URL, of which one may take writes after a failover."""

    def __init__(self, connector: Connector, hosts: Sequence[str], number: int) -> None:
        self._connector, self._hosts, self._number = connector, hosts, number

    def took_over(self) -> bool:
        """True once a later connection of this process found another host to take writes."""
        return self._connector.found != self._number

    def ask(self, within: timedelta) -> bool:
        """Asks them, for so long at most, whether one takes writes. True if one does.

        Not while the connection's own host takes new connections: then its statement is only slow.
        """
        turns = sorted(range(len(self._hosts)), key=lambda number: number != self._number)
        if not self.took_over():
            with suppress(CannotConnect):
                self._connector.connect(self._hosts, turns, within).close()
        return self.took_over()

    def look(self, started: str) -> tuple[list[str], list[str]]:
        """Connects to each of them once. Returns what those said that let nobody in, and the dsn of each primary.

        started: when the connection's own server was started: a host that is another way to it is no other primary.
        """
        refusals, primaries = list[str](), list[str]()
        patience = self._connector.connect_patience
        for dsn in [host for number, host in enumerate(self._hosts) if number != self._number]:
            any_will_do = psycopg2.extensions.make_dsn(dsn, target_session_attrs="any")
            try:
                with closing(PatientConnection(any_will_do, patience, patience)) as other, other.cursor() as cursor:
                    cursor.execute(STARTED)
                    [[is_standby, found]] = cursor.fetchall()
            except CannotConnect as error:
                refusals.append(str(error))
            except psycopg2.Error as error:
                refusals.append(str(cannot_connect(str(error), dsn)))
            else:
                if not is_standby and found != started:
                    primaries.append(dsn)
        return refusals, primaries


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


def each_address(dsn: str) -> list[str]:
    """Returns a connection string for each address that its host's name has, in the order of this machine's resolver.

    Only the string itself where that is one, or none: libpq says so. TLS goes on to verify the name.
    """
    options = psycopg2.extensions.parse_dsn(dsn)
    host = options.get("host", "")
    if not host or host.startswith(("/", "@")) or "hostaddr" in options:
        return [dsn]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [dsn]
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if options.get("load_balance_hosts") == "random":
        random.shuffle(addresses)
    if len(addresses) < 2:
        return [dsn]
    return [psycopg2.extensions.make_dsn(dsn, hostaddr=address) for address in addresses]
