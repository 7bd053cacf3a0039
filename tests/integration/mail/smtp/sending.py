"""Sends messages from a test over the mail service's own connections."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from publisher.mail.smtp.connection import Connection
from publisher.mail.smtp.outcome import Envelope, Outcome
from publisher.mail.smtp.server import SmtpServer
from publisher.settings.smtp_url import read_smtp_url

T = TypeVar("T")
# Far longer than a server on this machine takes.
PATIENT = timedelta(seconds=20)
# So short that a test can wait for it.
IMPATIENT = timedelta(milliseconds=200)


def envelope(delivery_id: str = "d/1", body: bytes = b"Hello\r\n", *, recipient: str = "ann@example.com") -> Envelope:
    """A message of this delivery."""
    content = b"X-Delivery-Id: %s\r\nSubject: Hi\r\n\r\n%s" % (delivery_id.encode(), body)
    return Envelope("bounces@example.org", recipient, content, needs_smtputf8=not recipient.isascii())


def smtp_server(url: str, *, ca_file: str = "", timeout: timedelta = PATIENT) -> SmtpServer:
    """The server of this URL, as the settings would have it."""
    return SmtpServer(read_smtp_url(url), ca_file, timeout)


def on_a_connection(url: str, work: Callable[[Connection], Awaitable[T]], *, timeout: timedelta = PATIENT) -> T:
    """Opens a connection, does the work with it, and closes it."""

    async def run() -> T:
        connection = await smtp_server(url, timeout=timeout).connect()
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def sent(url: str, envelopes: Sequence[Envelope], *, timeout: timedelta = PATIENT) -> list[Outcome]:
    """Sends them over one connection, up to the one with which it ends."""

    async def work(connection: Connection) -> list[Outcome]:
        return [await connection.send(one) for one in envelopes if connection.is_usable]

    return on_a_connection(url, work, timeout=timeout)
