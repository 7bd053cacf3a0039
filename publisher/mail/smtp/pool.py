"""Keeps a bounded number of connections to the SMTP server, and sends each message over one of them (R33)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from publisher.domain.errors import MailServerUnavailable
from publisher.mail.smtp.availability import Availability
from publisher.mail.smtp.connection import Connection
from publisher.mail.smtp.outcome import Broken, Envelope, Outcome, Refused, Stage, Unsure
from publisher.mail.smtp.turns import Turns
from publisher.mail.smtp.verdict import Verdict, decide

# Servers end a connection after a number of messages, and after a time of silence: these are below what is usual.
_MOST_MESSAGES = 500
_LONGEST_IDLE = timedelta(seconds=30)
_CLOSING = 421
# Messages that wait for a busy connection see so often whether another one can be opened.
_LOOK_SECONDS = 2.0


class Connects(Protocol):
    """What opens connections: `SmtpServer`."""

    async def connect(self) -> Connection:
        """Opens a connection. Raises MailServerUnavailable."""
        ...


class SmtpPool:
    """The connections to one server. Used by one event loop alone.

    Connections are opened when they are needed, one at a time. Where the server takes no more of them beside those at
    work, messages wait for one of these, in turn. While the server is away nobody waits for it: one message asks again,
    after a pause that grows up to ten seconds, and all others are told at once.
    """

    def __init__(
        self,
        server: Connects,
        connections: int,
        messages: int = _MOST_MESSAGES,
        idle: timedelta = _LONGEST_IDLE,
    ) -> None:
        """Opens nothing yet.

        connections: how many there are at most. A message beyond that waits for one.
        messages: how many are sent over one connection at most.
        idle: how long a connection may be unused.
        """
        self._server = server
        self._slots = asyncio.Semaphore(connections)
        self._messages = messages
        self._idle_seconds = idle.total_seconds()
        # The connections that are not in use, each with the time of its last message; the latest is the last.
        self._idle: list[tuple[Connection, float]] = []
        self._busy: set[Connection] = set()
        self._turns = Turns()
        self._availability = Availability(connections)
        self._opening = asyncio.Lock()
        self._attempt: asyncio.Task[Connection] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def trouble(self) -> str | None:
        """Why the server is away, for people; None: it is not, as far as is known."""
        return self._availability.trouble

    async def send(self, envelope: Envelope, may_begin: Callable[[], bool] = lambda: True) -> Verdict | None:
        """Sends the message. None: it was not tried, since the server is away, the pool is closed, or it may not begin.

        may_begin: asked once there is a connection, which may take long to open.
        If the task is cancelled while the message is being sent, nobody knows whether it was accepted (R33).
        """
        async with self._slots:
            connection = await self._connection()
            if connection is None or not self._begins(connection, may_begin):
                return None
            outcome = await self._sent(connection, envelope)
            if _was_stale(connection, outcome):
                # It had ended in between, as servers do: that says nothing of the server, and nothing of the message.
                connection = await self._connection()
                if connection is None or not self._begins(connection, may_begin):
                    return None
                outcome = await self._sent(connection, envelope)
        return decide(outcome)

    async def close(self) -> None:
        """Says goodbye on each connection, within a few seconds. Messages that are still being sent are cut off."""
        self.abort()
        while self._idle:
            self._close(self._idle.pop()[0])
        if self._closing:
            await asyncio.wait(self._closing)

    def abort(self) -> None:
        """Cuts off the messages that are being sent, and sends no more: each ends as broken or unsure, at once."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        for connection in self._busy:
            connection.drop()
        self._turns.end()

    async def _connection(self) -> Connection | None:
        """Takes a kept connection, opens one, or waits for one that is busy. None while the server is away."""
        while True:
            connection = self._kept() or await self._opened() or self._kept()
            if connection is not None or self._is_closed or not self._busy:
                return connection
            handed = await self._turns.wait(_LOOK_SECONDS, self._keep)
            if handed is not None:
                return handed

    def _one_ended(self) -> None:
        """Lets a message that waits look for a connection: the server may take another one in its place."""
        if self._busy and not self._is_closed:
            self._turns.give(None)
        else:
            self._turns.end()

    def _kept(self) -> Connection | None:
        """Takes the connection that was used last, so that those too many grow old."""
        while self._idle and not self._is_closed:
            connection, _ = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.drop()
        return None

    async def _opened(self) -> Connection | None:
        """Opens a connection, or takes one that came free meanwhile. None while the server is away."""
        if self._availability.is_away and self._opening.locked():
            return None
        async with self._opening:
            kept = self._kept()
            if kept is not None or self._is_closed or not self._availability.may_take_another(len(self._busy)):
                return kept
            self._attempt = asyncio.create_task(self._server.connect())
            try:
                await asyncio.wait([self._attempt])
            finally:
                self._attempt.cancel()
            if self._attempt.cancelled():
                return None
            error = self._attempt.exception()
            if isinstance(error, MailServerUnavailable):
                self._availability.refused(error, len(self._busy))
                return None
            return self._attempt.result()

    def _begins(self, connection: Connection, may_begin: Callable[[], bool]) -> bool:
        """Whether the message may be sent still. If not, the connection is kept for another one."""
        if may_begin():
            return True
        self._keep(connection)
        return False

    async def _sent(self, connection: Connection, envelope: Envelope) -> Outcome:
        self._busy.add(connection)
        try:
            outcome = await connection.send(envelope)
        finally:
            self._busy.discard(connection)
        if not connection.is_usable:
            connection.drop()
            self._one_ended()
        elif self._is_closed or connection.used >= self._messages:
            self._close(connection)
        else:
            self._keep(connection)
        self._learn(connection, outcome)
        return outcome

    def _learn(self, connection: Connection, outcome: Outcome) -> None:
        """Notes whether the server works. A connection that fails with its first message is as bad as none."""
        if _ended(outcome) is None:
            self._availability.answered()
        elif connection.used == 1 and not self._is_closed:
            error = f"the connection ended with its first message: {_ended(outcome)}"
            self._availability.failed(MailServerUnavailable(error))

    def _keep(self, connection: Connection) -> None:
        self._busy.add(connection)
        if self._turns.give(connection):
            return
        self._busy.discard(connection)
        loop = asyncio.get_running_loop()
        self._idle.append((connection, loop.time()))
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Closes the connections that were unused for too long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle_seconds
        while self._idle and self._idle[0][1] <= oldest:
            self._close(self._idle.pop(0)[0])
        self._sweeper = None
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0][1] + self._idle_seconds, self._sweep)

    def _close(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: "asyncio.Task[None]") -> None:
        self._closing.discard(task)
        self._one_ended()


def _was_stale(connection: Connection, outcome: Outcome) -> bool:
    """Whether a kept connection had ended before the server saw this message."""
    match outcome:
        case Broken(Stage.MAIL) | Refused(Stage.MAIL, _):
            return connection.used > 1 and _ended(outcome) is not None
        case _:
            return False


def _ended(outcome: Outcome) -> str | None:
    """Why the connection ended with this message; None: the server answered, whatever it said."""
    match outcome:
        case Broken(_, reason) | Unsure(reason):
            return reason
        case Refused(_, reply) if reply.code == _CLOSING:
            return f"the server answered {_CLOSING}"
        case _:
            return None
