"""Runs an SMTP server that keeps all mail in a maildir, and delivers none: `python -m publisher.local.smtp_server`.

`publisher demo` and `publisher up` start it as a child (see `publisher.local.embedded_smtp`), so that a newcomer sees
an email without a mail server. It listens on 127.0.0.1 alone.
"""

import argparse
import asyncio
import logging
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from publisher.local.maildir import Maildir

LONGEST_MESSAGE = 10 * 1024 * 1024
_PLAIN_ADDRESS = re.compile(r"<([^<>\"\\\s@]+@[^<>\"\\\s@]+)>(.*)")
# Of the content of a message.
_END = b"\r\n.\r\n"


class PipeliningSmtp(SMTP):
    """aiosmtpd's session, whose replies to commands that came together go out together (RFC 2920, 3.2)."""

    # The size of its buffer when it is made: with less, reading is paused and resumed for each message.
    line_length_limit = 131_072
    _unsent = b""

    def __init__(self, mailbox: "Mailbox", longest: int, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever has started it knows it by that.
        ident = f"publisher-mailbox {os.getpid()}"
        super().__init__(
            mailbox, data_size_limit=longest, enable_SMTPUTF8=True, hostname="localhost", ident=ident, loop=loop
        )
        # The longest line of a message from here on (RFC 5321, 4.5.3.1.6).
        self.line_length_limit = SMTP.line_length_limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol. Reads pieces of 64 KiB: for the usual 256 KiB the system maps new memory each time."""
        cast("Any", transport).max_size = 65_536
        super().connection_made(transport)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address of MAIL or RCPT, and what follows. To parse a plain one in full took a third of all time."""
        found = _PLAIN_ADDRESS.fullmatch(arg.strip())
        return (found[1], found[2]) if found else super()._getaddr(arg)

    async def push(self, status: str | bytes) -> None:
        """Replies. All replies of one round of the event loop are one write: a command that is there is not awaited."""
        line = status.encode() if isinstance(status, str) else status
        is_first, self._unsent = not self._unsent, self._unsent + line + b"\r\n"
        # After any other reply the connection may be closed.
        if not line.startswith((b"250", b"354")):
            self._flush()
        elif is_first:
            self.loop.call_soon(self._flush)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the name is aiosmtpd's
        """Takes the content in one piece. Line by line, as aiosmtpd does, it took half of all time."""
        session, envelope = self.session, self.envelope
        if arg or not (session and session.host_name and envelope and envelope.rcpt_tos):
            await super().smtp_DATA(arg)
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._content(self.data_size_limit or LONGEST_MESSAGE)
        if content is None:
            status = "552 5.3.4 The message is too long"
        elif re.search(rb"[^\n]{%d}" % self.line_length_limit, content):
            status = "500 5.5.2 A line of the message is too long (RFC 5321, 4.5.3.1.6)"
        else:
            envelope.content = envelope.original_content = content
            status = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push(status)

    async def _content(self, longest: int) -> bytes | None:
        """The content without its end, and without the dots that hide it (RFC 5321, 4.5.2). None: it is too long."""
        reader, size = self._reader, 0
        pieces: list[bytes] = []
        # The end is a line of its own: it has a line break before it, unless there is no line before it.
        while (piece := await reader.readexactly(1)) in b".\r":
            piece += await reader.readuntil(b"\n")
            if piece == _END[2:]:
                return _shown(pieces)
            pieces.append(piece)
        while not piece.endswith(_END):
            size += len(piece)
            pieces.append(piece)
            if size > longest:
                pieces.clear()
            try:
                piece = await reader.readuntil(_END)
            except asyncio.LimitOverrunError as error:
                piece = await reader.read(error.consumed)
        return _shown([*pieces, piece[:-3]]) if size + len(piece) <= longest else None

    def _flush(self) -> None:
        if self.transport is not None and self._unsent:
            cast("asyncio.Transport", self.transport).write(self._unsent)
        self._unsent = b""


def _shown(pieces: Sequence[bytes]) -> bytes:
    return (b"\r\n" + b"".join(pieces)).replace(b"\r\n.", b"\r\n")[2:]


class Mailbox:
    """What aiosmtpd asks about each message."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir

    async def handle_EHLO(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offers PIPELINING, which it can do: commands are read line by line, however they come."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keeps the message, and only then says so."""
        try:
            self._maildir.keep(envelope.original_content or b"", envelope.mail_from or "", envelope.rcpt_tos)
        except OSError as error:
            return f"452 4.3.1 The message cannot be kept: {error.strerror}"
        return "250 2.0.0 Ok: kept"


async def serve(port: int, folder: Path, longest: int = LONGEST_MESSAGE) -> None:
    """Takes mail on this port until the process is told to end. Raises OSError if it cannot listen there.

    folder: of the maildir. longest: of the messages that it takes, in bytes.
    """
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(Maildir(folder))

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with await loop.create_server(lambda: PipeliningSmtp(mailbox, longest, loop), "127.0.0.1", port):
        await stopped.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m publisher.local.smtp_server", description="Keeps mail in a maildir."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--longest", type=int, default=LONGEST_MESSAGE, help="the longest message, in bytes")
    options = parser.parse_args(arguments)
    # It names addresses.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    asyncio.run(serve(options.port, options.folder, options.longest))


if __name__ == "__main__":
    main()
