"""Sends messages over one open SMTP connection, one after the other, each a transaction of its own (RFC 5321)."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from publisher.mail.smtp.outcome import Accepted, Broken, Envelope, Outcome, Refused, Reply, Stage, Unsendable, Unsure
from publisher.mail.smtp.replies import Replies
from publisher.mail.smtp.tls_session import TlsSession, tls_session

# As much content goes out together with its end. Of more the end is sent once the rest is on its way: a server that
# stalls in between cannot have taken the message.
_AT_ONCE = 32_768
_GOODBYE_SECONDS = 2.0
_CLOSING = 421
_BEFORE_CONTENT = (Stage.MAIL, Stage.RCPT, Stage.DATA)
_LONE_BREAK = re.compile(rb"\r(?!\n)|(?<!\r)\n")
# No command can hide in an address: no line break, and no bracket or space outside of quotation marks.
_ADDRESS = re.compile(r"[^\x00-\x20<>\"\x7f]*|\"[^\x00-\x1f\x7f]*\"@[^\x00-\x20<>\"\x7f]*")


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server said that it can do, in its answer to EHLO.

    pipelining: it takes several commands at once (RFC 2920).
    smtputf8: it takes international addresses (RFC 6531).
    eight_bit: it takes content that is not ASCII (RFC 6152).
    size: it takes the size of a message with MAIL (RFC 1870).
    longest: the size of the longest message that it takes, in bytes; None: it does not say.
    login: it takes a user name and a password (RFC 4954).
    """

    pipelining: bool = False
    smtputf8: bool = False
    eight_bit: bool = False
    size: bool = False
    longest: int | None = None
    login: bool = False

    @classmethod
    def of(cls, extensions: Mapping[str, str]) -> "Offers":
        """Reads the extensions, each by its name in lower case with its parameters."""
        longest = extensions.get("size", "").strip()
        return cls(
            "pipelining" in extensions,
            "smtputf8" in extensions,
            # SMTPUTF8 includes it.
            "8bitmime" in extensions or "smtputf8" in extensions,
            "size" in extensions,
            # 0: there is no fixed limit.
            int(longest) or None if longest.isdecimal() and len(longest) < 20 else None,
            "auth" in extensions,
        )


class Connection:
    """An open connection, logged in where that was asked for.

    offers: what the server can do.
    used: how many messages were begun on it.
    """

    def __init__(self, transport: asyncio.Transport, offers: Offers, seconds: float) -> None:
        """Takes over the transport of a connection on which no reply is awaited. seconds: the timeout of a step."""
        self.offers = offers
        self.used = 0
        self._transport = transport
        self._seconds = seconds
        self._replies = Replies()
        self._transaction_open = False
        self._retired = False
        transport.set_protocol(self._replies)
        # Whoever waits for it to drain waits until the system has taken all.
        transport.set_write_buffer_limits(0)

    @property
    def tls(self) -> TlsSession | None:
        """The TLS of the connection, None without."""
        return tls_session(self._transport)

    @property
    def is_usable(self) -> bool:
        """Whether another message can be sent on it. A reply that nothing asked for ends that, too."""
        return not self._retired and self._replies.ended is None and not self._replies.untaken

    async def send(self, envelope: Envelope) -> Outcome:
        """Sends the message. Look at `is_usable` afterwards. If the task is cancelled, the connection is dropped."""
        said = self._impossible(envelope)
        if said is not None:
            return said
        self.used += 1
        content = _stuffed(envelope.content)
        try:
            refused = await self._announce(envelope, len(content))
            outcome = refused or await self._deliver(content)
        except BaseException:
            self.drop()
            raise
        if not self.is_usable:
            self.drop()
        return outcome

    def drop(self) -> None:
        """Ends the connection at once, without a word. A message that is being sent ends as broken or unsure."""
        self._retired = True
        self._transport.abort()

    async def close(self) -> None:
        """Says goodbye, and ends the connection. Takes a few seconds at most, whatever the server does."""
        try:
            if self.is_usable:
                self._transport.write(b"QUIT\r\n")
                await self._replies.take(1, _GOODBYE_SECONDS)
        finally:
            self.drop()
        await self._replies.closed

    def _impossible(self, envelope: Envelope) -> Unsendable | None:
        offers, longest = self.offers, self.offers.longest
        recipient, utf8 = envelope.recipient, envelope.needs_smtputf8
        if not _ADDRESS.fullmatch(envelope.return_path) or not (utf8 or envelope.return_path.isascii()):
            # It is not the recipient's fault, and mended without this message: until then it waits.
            return Unsendable("4.1.7", "the return path of the message is none that SMTP can carry")
        if not (recipient and _ADDRESS.fullmatch(recipient)):
            return Unsendable("5.1.3", "the recipient's address is none that SMTP can carry")
        if utf8 and not offers.smtputf8:
            return Unsendable("5.6.7", "the SMTP server takes no international addresses (SMTPUTF8)")
        if not utf8 and not recipient.isascii():
            return Unsendable("5.1.3", "the recipient's address is international, and the message is not")
        if longest is not None and len(envelope.content) > longest:
            size = f"{len(envelope.content):,} bytes"
            return Unsendable("5.3.4", f"the message has {size}, and the SMTP server takes at most {longest:,}")
        if not offers.eight_bit and not envelope.content.isascii():
            return Unsendable("5.6.1", "the SMTP server takes no content that is not ASCII (8BITMIME)")
        return None

    async def _announce(self, envelope: Envelope, size: int) -> Outcome | None:
        """Sends the commands up to DATA. None if the server waits for the content."""
        commands = self._commands(envelope, size)
        replies: list[Reply] = []
        for group in [commands] if self.offers.pipelining else [[command] for command in commands]:
            self._transport.write(b"".join(group))
            replies += await self._replies.take(len(group), self._seconds)
            if self._replies.ended is not None or replies[-1].code >= 400:
                break
        if len(commands) > len(_BEFORE_CONTENT):
            reset, *replies = replies or [Reply(0, "")]
            if not 200 <= reset.code < 300:
                return self._broken(Stage.MAIL, self._replies.ended or "the server takes no RSET")
        return await self._answer(replies)

    def _commands(self, envelope: Envelope, size: int) -> Sequence[bytes]:
        mail = [f"MAIL FROM:<{envelope.return_path}>"]
        if self.offers.size:
            mail.append(f"SIZE={size}")
        if envelope.needs_smtputf8:
            mail += ["BODY=8BITMIME", "SMTPUTF8"]
        elif not envelope.content.isascii():
            mail.append("BODY=8BITMIME")
        # A message that was refused has left a transaction behind.
        reset = ["RSET"] if self._transaction_open else []
        self._transaction_open = True
        lines = [*reset, " ".join(mail), f"RCPT TO:<{envelope.recipient}>", "DATA"]
        return [f"{line}\r\n".encode() for line in lines]

    async def _answer(self, replies: Sequence[Reply]) -> Outcome | None:
        for stage, reply in zip(_BEFORE_CONTENT, replies, strict=False):
            if reply.code >= 400:
                await self._leave_data(replies)
                return self._refused(stage, reply)
            if (reply.code == 354) != (stage is Stage.DATA) or 300 <= reply.code < 354:
                return self._broken(stage, f"the server answered with the code {reply.code}")
        if len(replies) < len(_BEFORE_CONTENT):
            return self._broken(_BEFORE_CONTENT[len(replies)], self._replies.ended or "the server fell silent")
        if self._replies.untaken:
            return self._broken(Stage.DATA, "the server sent more replies than it was asked for")
        if self._replies.ended is not None:
            return self._broken(Stage.CONTENT, self._replies.ended)
        return None

    async def _leave_data(self, replies: Sequence[Reply]) -> None:
        """Ends the content that the server waits for although it has refused the message: there is none."""
        if len(replies) == len(_BEFORE_CONTENT) and replies[-1].code == 354:
            self._transport.write(b".\r\n")
            await self._replies.take(1, self._seconds)

    async def _deliver(self, content: bytes) -> Outcome:
        if len(content) > _AT_ONCE:
            self._transport.write(content)
            is_on_its_way = await self._replies.drained(self._seconds)
            if self._replies.untaken:
                return await self._said_early()
            if not is_on_its_way:
                return self._broken(Stage.CONTENT, self._replies.ended or "")
            content = b""
        self._transport.write(content + b".\r\n")
        replies = await self._replies.take(1, self._seconds)
        if not replies:
            return Unsure(self._replies.ended or "")
        reply = replies[0]
        self._transaction_open = False
        if reply.code >= 400:
            return self._refused(Stage.CONTENT, reply)
        if reply.code >= 300:
            self._retired = True
            return Unsure(f"the server answered with the code {reply.code}")
        return Accepted(reply)

    async def _said_early(self) -> Outcome:
        """Believes a refusal that came before the end of the content, and nothing else: the server has no message."""
        self._retired = True
        [reply] = await self._replies.take(1, self._seconds)
        if reply.code >= 400:
            return self._refused(Stage.CONTENT, reply)
        return self._broken(Stage.CONTENT, f"the server answered {reply.code} before it had the whole message")

    def _refused(self, stage: Stage, reply: Reply) -> Refused:
        self._retired = self._retired or reply.code == _CLOSING
        return Refused(stage, reply)

    def _broken(self, stage: Stage, reason: str) -> Broken:
        self._retired = True
        return Broken(stage, reason)


def _stuffed(content: bytes) -> bytes:
    """The content as DATA carries it (RFC 5321, 4.5.2): each line ends with CRLF, and no line ends the content."""
    if content.count(b"\r\n") != content.count(b"\n") or content.count(b"\r\n") != content.count(b"\r"):
        # Servers that take a lone line feed for the end of a line would see commands in the content.
        content = _LONE_BREAK.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")
