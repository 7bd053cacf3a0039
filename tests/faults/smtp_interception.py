"""Intercepts every I/O between the mail service and its SMTP server, and lets nothing else happen meanwhile.

Calls that the service has a thread for are done at once, by the event loop's own thread, and none while a reply of the
SMTP server is awaited: so each life of the process takes the same steps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from publisher.domain.errors import MailServerUnavailable
from publisher.mail.smtp.connection import Connection
from publisher.mail.smtp.outcome import Reply
from publisher.mail.smtp.replies import Replies
from publisher.mail.smtp.server import SmtpServer
from tests.faults.crash_points import How, IoInterceptor
from tests.smtp_servers import HostileSmtp
from tests.waiting import wait_until

_LOST = (How.CRASH_AFTER, How.CUT_AFTER)


class SmtpInterception:
    """The I/Os of one SMTP server."""

    def __init__(self, io: IoInterceptor, server: HostileSmtp) -> None:
        self._io, self._server = io, server
        self._waits = 0
        self._nothing_waits = asyncio.Event()
        self._nothing_waits.set()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Takes the place of what does I/O."""
        interception, whole_connect, whole_take, whole_init = (
            self,
            SmtpServer.connect,
            Replies.take,
            Connection.__init__,
        )

        async def connect(self: SmtpServer) -> Connection:
            # It would ask for it in a thread.
            self._name = "localhost"
            return await interception._connect(lambda: whole_connect(self))

        async def take(self: Replies, count: int, seconds: float) -> list[Reply]:
            return await interception._take(self, lambda: whole_take(self, count, seconds))

        def init(self: Connection, transport: asyncio.Transport, *arguments: Any) -> None:
            whole_init(self, transport, *arguments)
            interception._io.closes(transport.abort)
            self._transport = _Counted(transport, interception._write)  # type: ignore[assignment]

        patch.setattr(SmtpServer, "connect", connect)
        patch.setattr(Replies, "take", take)
        patch.setattr(Connection, "__init__", init)
        patch.setattr(asyncio, "to_thread", self._at_once)

    async def _at_once(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        while not self._nothing_waits.is_set():
            await self._nothing_waits.wait()
        return call(*arguments, **options)

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        self._waits += 1
        self._nothing_waits.clear()
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._nothing_waits.set()

    async def _connect(self, call: Callable[[], Any]) -> Connection:
        how = self._io.reached("SMTP connect")
        if how is How.CUT_BEFORE:
            raise MailServerUnavailable("the connection was refused")
        async with self._waiting():
            connection: Connection = await call()
        if how in _LOST:
            connection.drop()
        if how is How.CRASH_AFTER:
            self._io.die()
        if how is How.CUT_AFTER:
            raise MailServerUnavailable("the connection was reset")
        return connection

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        what = "content" if data.endswith(b"\r\n.\r\n") else data.split(None, 1)[0].decode()
        how = self._io.reached(f"SMTP write {what}")
        if how is How.CUT_BEFORE:
            transport.abort()
        before = len(self._server.taken)
        transport.write(data)
        if how in _LOST and what == "content":
            wait_until(lambda: len(self._server.taken) > before)
        if how is How.CRASH_AFTER:
            self._io.die()
        if how is How.CUT_AFTER:
            transport.abort()

    async def _take(self, replies: Replies, call: Callable[[], Any]) -> list[Reply]:
        how = self._io.reached("SMTP read")
        async with self._waiting():
            taken: list[Reply] = await call()
        if how is How.CRASH_AFTER:
            self._io.die()
        if how in (How.CUT_BEFORE, How.CUT_AFTER):
            # The server has said it, and nobody has heard it.
            replies.connection_lost(ConnectionResetError())
            return []
        return taken


class _Counted:
    """A transport of which every write is counted."""

    def __init__(self, transport: asyncio.Transport, write: Callable[[asyncio.Transport, bytes], None]) -> None:
        self._transport, self._write = transport, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """See asyncio.Transport."""
        self._write(self._transport, data)
