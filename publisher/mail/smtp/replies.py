"""Reads the replies of an SMTP server as they come, however its bytes are cut, and waits for a number of them.

aiosmtplib's own protocol takes one reply for each command written, and drops a second that came with it. Where commands
are pipelined (RFC 2920) their replies come together, so this protocol takes its place once the connection is opened.
"""

import asyncio
import re
from collections import deque

from publisher.mail.smtp.outcome import Reply

# A line of a reply has at most 512 bytes (RFC 5321, 4.5.3.1.5), and servers write longer ones. Beyond this it is none.
_LONGEST = 65_536
_AT_ONCE = 8_192
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class ReplyParser:
    """Puts replies together from pieces of bytes."""

    def __init__(self) -> None:
        self._rest = b""
        self._texts: list[str] = []
        self._length = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Returns the replies that are complete with these bytes. Raises ValueError if they are no SMTP."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [reply for line in lines if (reply := self._line(line.rstrip(b"\r"))) is not None]
        if len(self._rest) + self._length > _LONGEST:
            raise ValueError(f"its reply is longer than {_LONGEST:,} bytes")
        return found

    def _line(self, line: bytes) -> Reply | None:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise ValueError("its reply is no SMTP")
        code, dash, text = parts.groups(b"")
        self._length += len(line)
        self._texts.append(_CONTROLS.sub(" ", text.decode("utf-8", "replace")).strip())
        if dash == b"-":
            return None
        reply = Reply(int(code), " ".join(self._texts))
        self._texts, self._length = [], 0
        return reply


class Replies(asyncio.BufferedProtocol):
    """The replies that came and were not taken yet, and why no more will come.

    Used by the event loop alone, and awaited by one task at a time.
    """

    def __init__(self) -> None:
        self._parser = ReplyParser()
        # For a protocol without a buffer asyncio takes 256 KiB anew at each read: a fifth of the time of a message.
        self._buffer = memoryview(bytearray(_AT_ONCE))
        self._came: deque[Reply] = deque()
        self._ended: str | None = None
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> str | None:
        """Why no more replies will come, for people; None: the connection works."""
        return self._ended

    @property
    def untaken(self) -> int:
        """How many replies came that nobody has taken."""
        return len(self._came)

    async def take(self, count: int, seconds: float) -> list[Reply]:
        """Waits for so many replies, and takes them. Takes fewer if the connection ends; then `ended` says why.

        seconds: for all of them together. If they are over, the connection counts as ended: a reply that came later
        would be taken for that of another command.
        """
        if len(self._came) < count and self._ended is None:
            self._wanted = count
            await self._wait(seconds)
        return [self._came.popleft() for _ in range(min(count, len(self._came)))]

    async def drained(self, seconds: float) -> bool:
        """Waits until all that was written is on its way. False if the connection ended before, or the time is over."""
        if self._writable is None:
            return self._ended is None
        try:
            async with asyncio.timeout(seconds):
                await self._writable
        except TimeoutError:
            self._end(f"the server took no more content within {seconds:g} s")
        return self._ended is None

    def get_buffer(self, _sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        if self._ended is not None:
            return
        try:
            self._came.extend(self._parser.feed(bytes(self._buffer[:nbytes])))
        except ValueError as error:
            self._end(str(error))
        if len(self._came) >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        """See asyncio.BufferedProtocol."""
        self._end("the server closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.BufferedProtocol."""
        if error is None:
            self._end("the connection was closed")
        else:
            self._end(f"the connection broke: {getattr(error, 'strerror', None) or type(error).__name__}")
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """See asyncio.BufferedProtocol."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See asyncio.BufferedProtocol."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        reason = f"the server did not answer within {seconds:g} s"
        timer = loop.call_later(seconds, self._look_once_more, waiter, reason)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter, self._wanted = None, 0

    def _look_once_more(self, waiter: "asyncio.Future[None]", reason: str) -> None:
        """Ends the wait after the replies that have arrived are read.

        A process that was stopped for longer than the timeout (SIGSTOP, a frozen container) runs its timers before it
        reads: the signal interrupts epoll, which then names no connection. A message whose reply stood there would
        count as unsure.
        """
        asyncio.get_running_loop().call_later(0, self._end_unanswered, waiter, reason)

    def _end_unanswered(self, waiter: "asyncio.Future[None]", reason: str) -> None:
        if not waiter.done():
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
        self._wake()
        self.resume_writing()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
