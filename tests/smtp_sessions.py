"""One connection to the misbehaving SMTP server of `tests.smtp_servers`."""

import asyncio
import base64
import re
import select
from typing import TYPE_CHECKING

from tests.smtp_faults import Fault, Step

if TYPE_CHECKING:
    from tests.smtp_servers import HostileSmtp

_PATH = re.compile(r"(?:MAIL FROM|RCPT TO):<(.*)>(?: (.*))?", re.IGNORECASE)


class Session:
    """A connection, from its banner to its end. It obeys the server's faults at each step."""

    def __init__(
        self, server: "HostileSmtp", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._number = number
        self._mail: tuple[str, str] | None = None
        self._recipient: str | None = None
        self._is_secure = server.implicit

    async def run(self) -> None:
        """Serves it until it ends. Raises EOFError or an OSError when it does."""
        await self._say("220 hostile.example ESMTP", Step.BANNER)
        while True:
            line = (await self._reader.readuntil(b"\r\n"))[:-2].decode()
            self._server.commands.append(line)
            self._count_waiting()
            word = re.split(r"[ :]", line, maxsplit=1)[0].upper()
            if word not in Step.__members__:
                await self._write("500 5.5.1 Unknown command")
                continue
            step = Step(word.lower())
            if step is Step.DATA:
                await self._data()
                continue
            said = await self._say(self._answer(step, line), step)
            if step in (Step.MAIL, Step.RCPT) and not said.startswith("2"):
                # Refused: as if it had never been said.
                self._mail, self._recipient = (None if step is Step.MAIL else self._mail), None
            if step is Step.STARTTLS and self._server.tls is not None and said.startswith("220"):
                await self._writer.start_tls(self._server.tls)
                self._is_secure, self._mail, self._recipient = True, None, None
            if step is Step.QUIT:
                raise EOFError

    def _count_waiting(self) -> None:
        """Counts the commands that have come already: asyncio keeps what it has not handed out yet."""
        waiting = bytes(getattr(self._reader, "_buffer", b"")).count(b"\r\n")
        self._server.most_at_once = max(self._server.most_at_once, 1 + waiting)

    def _answer(self, step: Step, line: str) -> str:
        match step:
            case Step.EHLO:
                return self._hello()
            case Step.HELO:
                return "250 hostile.example"
            case Step.STARTTLS:
                return "220 2.0.0 Go ahead"
            case Step.AUTH:
                return self._login(line)
            case Step.MAIL:
                return self._begin(line)
            case Step.RCPT:
                return self._address(line)
            case Step.RSET:
                self._mail = self._recipient = None
                return "250 2.0.0 Forgotten"
            case _:
                return "221 2.0.0 Bye"

    def _hello(self) -> str:
        offers = [*self._server.offers]
        if self._server.tls is not None and not self._is_secure:
            offers.append("STARTTLS")
        elif self._server.login is not None:
            offers.append("AUTH PLAIN")
        lines = ["hostile.example", *offers]
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])

    def _login(self, line: str) -> str:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        return "235 2.7.0 Welcome" if (user, password) == self._server.login else "535 5.7.8 No such login"

    def _begin(self, line: str) -> str:
        found = _PATH.fullmatch(line)
        if found is None:
            return "501 5.5.4 No return path"
        if self._mail is not None:
            return "503 5.5.1 One message at a time"
        self._mail = (found[1], found[2] or "")
        return "250 2.1.0 Ok"

    def _address(self, line: str) -> str:
        found = _PATH.fullmatch(line)
        if found is None or self._mail is None:
            return "503 5.5.1 No return path yet"
        self._recipient = found[1]
        return "250 2.1.5 Ok"

    async def _data(self) -> None:
        ready = self._mail is not None and self._recipient is not None
        said = await self._say("354 Go ahead" if ready else "503 5.5.1 No recipient", Step.DATA)
        if not said.startswith("354"):
            return
        fault = self._server.fault(Step.CONTENT)
        if fault is not None:
            # Its first bytes have come, and no more are read.
            await self._reader.readexactly(1)
            await self._obey(fault)
        lines = []
        while (line := await self._reader.readuntil(b"\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        await self._end(b"".join(lines))

    async def _end(self, content: bytes) -> None:
        fault = self._server.fault(Step.END)
        reply = fault.reply if fault is not None else None
        (return_path, options), recipient = self._mail or ("", ""), self._recipient
        self._mail = self._recipient = None
        place = None
        is_silent = fault is not None and not reply and (fault.close or fault.stall)
        if recipient is not None and (fault.keeps if fault and is_silent else (reply or "2").startswith("2")):
            place = self._server.take(content, return_path, recipient, options, self._number)
        own = "250 2.0.0 Ok: queued" if recipient is not None else "554 5.5.1 No recipient"
        await self._obey(fault or Fault(Step.END, own), own, place)
        after = self._server.fault(Step.AFTER)
        if after is not None:
            await self._obey(after)

    async def _say(self, own: str, step: Step) -> str:
        """Replies, unless a fault of this step says otherwise. Returns what was said."""
        fault = self._server.fault(step)
        if fault is None:
            await self._write(own)
            return own
        await self._obey(fault, own)
        return fault.reply or own

    async def _obey(self, fault: Fault, own: str = "", place: int | None = None) -> None:
        """Does what the fault says. Raises EOFError if the connection is to end.

        place: of the message that a reply is about, or None.
        """
        await asyncio.sleep(fault.slow)
        reply = fault.reply or ("" if fault.close or fault.stall else own)
        if reply:
            await self._write(reply)
            if place is not None:
                self._server.reply_sent(place)
        if fault.stall:
            await self._stall()
        if fault.close:
            raise EOFError

    async def _stall(self) -> None:
        """Reads and says nothing until the client has gone."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        gone = select.poll()
        gone.register(self._writer.get_extra_info("socket").fileno(), select.POLLRDHUP | select.POLLHUP)
        while not gone.poll(0):
            await asyncio.sleep(0.01)
        raise EOFError

    async def _write(self, text: str) -> None:
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()
