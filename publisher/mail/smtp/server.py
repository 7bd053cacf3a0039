"""Opens connections to the SMTP server of the settings: greeting, TLS, login, by aiosmtplib."""

import asyncio
import socket
import ssl
from datetime import timedelta
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPServerDisconnected

from publisher.domain.errors import SettingsError
from publisher.mail.smtp.connection import Connection, Offers
from publisher.mail.smtp.connection_errors import translated
from publisher.mail.smtp.reaching import reach
from publisher.settings.smtp_url import SmtpUrl


class SmtpServer:
    """The SMTP server of the settings. Its certificate is always verified, and no password is sent without TLS.

    url: where it is, and the login.
    """

    def __init__(self, url: SmtpUrl, ca_file: str, timeout: timedelta) -> None:
        """Loads the certificates.

        ca_file: those of a private authority; blank: the system's.
        timeout: of each step: opening a connection is one, and so is every command.
        Raises SettingsError if there is no certificate in the file.
        """
        self.url = url
        self._seconds = timeout.total_seconds()
        self._context = None if url.scheme == "smtp" else _context(ca_file)
        self._name: str | None = None

    async def connect(self) -> Connection:
        """Opens a connection, as the scheme says: TLS is never left out.

        Raises MailServerUnavailable; MailServerMisconfigured if the same would fail until someone mends it.
        """
        if self._name is None:
            self._name = await asyncio.to_thread(_own_name)
        try:
            async with asyncio.timeout(self._seconds):
                reached = await reach(self.url.host, self.url.port, self._seconds)
                return await self._begun(reached)
        except (SMTPException, OSError, UnicodeError) as error:
            raise translated(error, self.url, self._seconds) from error

    async def _begun(self, reached: socket.socket) -> Connection:
        """Takes the greeting, begins TLS and logs in."""
        client = SMTP(
            hostname=self.url.host,
            sock=reached,
            username=self.url.user,
            password=self.url.password,
            local_hostname=self._name,
            timeout=self._seconds,
            use_tls=self.url.scheme == "smtps",
            start_tls=self.url.scheme == "smtp+starttls",
            tls_context=self._context,
        )
        try:
            await client.connect()
            await _greet(client)
            return self._taken_over(client)
        except BaseException:
            client.close()
            raise

    def _taken_over(self, client: SMTP) -> Connection:
        transport = client.transport
        if transport is None or transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        offers = Offers.of(client.esmtp_extensions)
        return Connection(cast("asyncio.Transport", transport), offers, self._seconds)


async def _greet(client: SMTP) -> None:
    """Asks what the server offers, unless that was asked for since TLS began."""
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except SMTPHeloError:
            # An old server, or a careful one.
            await client.helo()


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise SettingsError(f"PUBLISHER_SMTP_CA_FILE {reason}: {ca_file!r}") from error


def _own_name() -> str:
    """This machine's name, as EHLO takes it (RFC 5321, 4.1.4): a whole name, or an address in brackets."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"
