"""An SMTP server that misbehaves as a test asks: it closes, stalls, refuses or talks nonsense at any step.

    with hostile_smtp() as server:
        server.once(Fault(Step.RCPT, reply="451 4.3.0 Try again"))
        server.always(Fault(Step.END, close=True))       # takes each message, and loses the reply
        … send to server.url …
        server.calm()                                    # no faults from now on
        assert [m.delivery_id for m in server.taken if not m.replied] == […]

It runs in a thread of its own and speaks over real sockets, on one port of 127.0.0.1 for as long as it lives.
"""

import asyncio
import re
import ssl
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tests.smtp_faults import Fault, Step, Taken
from tests.smtp_sessions import Session

__all__ = ["Fault", "HostileSmtp", "Step", "Taken", "hostile_smtp"]
PIPELINING, UTF8, EIGHT_BIT, SIZE = EVERYTHING = "PIPELINING", "SMTPUTF8", "8BITMIME", "SIZE 10485760"
_DELIVERY = re.compile(rb"^X-Delivery-Id:\s*(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass
class HostileSmtp:
    """A running server. Its lists may be read from any thread; each is in the order of what happened.

    offers: the lines of its answer to EHLO.
    login: the user name and password that it wants with AUTH PLAIN; None: it offers no AUTH.
    tls: the context of its certificate, or None. implicit: TLS from the first byte, not after STARTTLS.
    most_open: how many connections it takes at a time: one more is refused with 421 and counted as turned_away.
    None: any number.
    connections: how many there were. commands: every line of every connection, DATA's content left out.
    """

    offers: Sequence[str] = EVERYTHING
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    most_open: int | None = None
    port: int = 0
    connections: int = 0
    open_connections: int = 0
    turned_away: int = 0
    most_at_once: int = 0
    commands: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    _once: list[Fault] = field(default_factory=list)
    _always: list[Fault] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None
    _sessions: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The URL to send to, without a login."""
        scheme = "smtp" if self.tls is None else "smtps" if self.implicit else "smtp+starttls"
        return f"{scheme}://localhost:{self.port}" if self.tls else f"{scheme}://127.0.0.1:{self.port}"

    @property
    def to_come(self) -> int:
        """How many faults are still to happen one time."""
        return len(self._once)

    def once(self, *faults: Fault) -> None:
        """Each happens the next time that its step is reached, one time, in this order."""
        self._once += faults

    def always(self, *faults: Fault) -> None:
        """Each happens every time that its step is reached."""
        self._always += faults

    def calm(self) -> None:
        """Ends all faults that have not happened yet."""
        self._once.clear()
        self._always.clear()

    def refuse(self) -> None:
        """Listens no longer, and ends every connection."""
        self._call(self._stop())

    def listen(self) -> None:
        """Listens, on the port that it had before."""
        self._call(self._start())

    def fault(self, step: Step) -> Fault | None:
        """The fault of this step, used up if it happens one time."""
        for fault in self._once:
            if fault.at is step:
                self._once.remove(fault)
                return fault
        return next((fault for fault in self._always if fault.at is step), None)

    def take(self, content: bytes, return_path: str, recipient: str, options: str, connection: int) -> int:
        """Keeps a message whose reply is not sent yet. Returns its place."""
        found = _DELIVERY.search(content)
        delivery_id = found[1].decode() if found else None
        self.taken.append(Taken(delivery_id, return_path, recipient, content, options, False, connection))
        return len(self.taken) - 1

    def reply_sent(self, place: int) -> None:
        """Notes that the reply of this message was sent."""
        self.taken[place] = replace(self.taken[place], replied=True)

    async def _start(self) -> None:
        context = self.tls if self.implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**22, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.most_open is not None and self.open_connections >= self.most_open:
            self.turned_away += 1
            writer.write(b"421 4.7.0 Too many connections from this host\r\n")
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        self.connections += 1
        self.open_connections += 1
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await Session(self, reader, writer, self.connections).run()
        finally:
            self.open_connections -= 1
            self._sessions.discard(task)
            writer.transport.abort()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@contextmanager
def hostile_smtp(
    *,
    offers: Sequence[str] = EVERYTHING,
    login: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
) -> Iterator[HostileSmtp]:
    """Runs a server, which behaves until it is told otherwise. The options are those of HostileSmtp."""
    server = HostileSmtp(offers, login, tls, implicit)
    thread = threading.Thread(target=server._loop.run_forever, daemon=True)
    thread.start()
    server.listen()
    try:
        yield server
    finally:
        server.refuse()
        server._loop.call_soon_threadsafe(server._loop.stop)
        thread.join(20)
        server._loop.close()
