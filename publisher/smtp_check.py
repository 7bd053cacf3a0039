"""Greets the SMTP server of the settings, for `publisher mailer check` and `publisher doctor` (R33).

It logs in where the settings say so, and says goodbye. It sends nothing. Every wait has an end.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

from publisher.doctor.verdict import Diagnosis, Verdict, failed, ok, together, unknown, warning
from publisher.domain.errors import MailServerUnavailable, SettingsError
from publisher.domain.instants import readable
from publisher.mail.smtp.connection import Offers
from publisher.mail.smtp.server import SmtpServer
from publisher.mail.smtp.tls_session import TlsSession
from publisher.settings.mail import MailSettings
from publisher.settings.smtp_url import SmtpUrl

# Of each step of the connection.
_PATIENCE = timedelta(seconds=10)
# A certificate that ends sooner than this is to be renewed now.
_RENEWED_BEFORE = timedelta(days=14)
Check = tuple[str, Diagnosis]


def mail_server(settings: MailSettings, now: datetime) -> Diagnosis:
    """Returns in one verdict what `check_smtp` finds. Mail waits for its server, so nothing is worse than a warning."""
    if settings.smtp_url is None:
        return ok("PUBLISHER_SMTP_URL is not set: there is no SMTP server to greet")
    found = dict(check_smtp(settings, now))
    if found["smtp"].verdict is Verdict.FAILED:
        return warning(
            f"PUBLISHER_SMTP_URL: no mail can be sent: {found['smtp'].finding}",
            "mend that: until then the commands wait, and are unanswered; then see: publisher mailer check",
        )
    return together([each for each in found.values() if each.verdict is Verdict.WARNING], found["smtp"].finding)


def check_smtp(settings: MailSettings, now: datetime) -> Iterator[Check]:
    """Yields each check of the SMTP server by its name. Raises nothing that the server could cause."""
    names = ("smtp", "smtp-tls", "smtp-offers")
    if settings.smtp_url is None:
        for name in names:
            yield name, unknown("not looked at: PUBLISHER_SMTP_URL is not set, or wrong", "set or correct it")
        return
    try:
        offers, tls = greet(settings.smtp_url, settings)
    except (MailServerUnavailable, SettingsError) as error:
        yield "smtp", failed(str(error), "mend that, and check again")
        for name in names[1:]:
            yield name, unknown("not looked at: needs the SMTP server", "mend smtp first")
        return
    yield "smtp", _connected(settings.smtp_url, offers)
    yield "smtp-tls", _tls(tls, settings.smtp_url, now)
    yield "smtp-offers", _offers(offers)


def greet(url: SmtpUrl, settings: MailSettings, patience: timedelta = _PATIENCE) -> tuple[Offers, TlsSession | None]:
    """Connects to the SMTP server, logs in, and says goodbye. Returns what it offers, and its TLS; None without TLS.

    patience: of each step at most.
    Raises MailServerUnavailable if no mail can be sent now, and SettingsError for a bad PUBLISHER_SMTP_CA_FILE.
    """
    timeout = min(settings.smtp_timeout, patience)
    return asyncio.run(_asked(SmtpServer(url, settings.smtp_ca_file, timeout)))


async def _asked(server: SmtpServer) -> tuple[Offers, TlsSession | None]:
    connection = await server.connect()
    found = connection.offers, connection.tls
    await connection.close()
    return found


def _connected(url: SmtpUrl, offers: Offers) -> Diagnosis:
    if url.user is not None:
        return ok(f"connected to {url.shown}; the login is accepted")
    if offers.login:
        return warning(
            f"connected to {url.shown}; no login is set, and the server offers one",
            "if it takes mail from its own users alone (530), write user:password@ before the host in"
            " PUBLISHER_SMTP_URL",
        )
    return ok(f"connected to {url.shown}; no login is set")


def _tls(tls: TlsSession | None, url: SmtpUrl, now: datetime) -> Diagnosis:
    if tls is None and url.is_here:
        return ok("the connection has no TLS, and does not leave this machine")
    if tls is None:
        return warning(
            "the connection has no TLS: messages can be read on the way",
            "write smtp+starttls:// or smtps:// in PUBLISHER_SMTP_URL",
        )
    said = f"{tls.version}; the certificate is for {', '.join(tls.names)}, until {readable(tls.ends_at)}"
    if tls.ends_at - now < _RENEWED_BEFORE:
        return warning(said, "have it renewed before: nothing is sent with a certificate that has ended")
    return ok(said)


def _offers(offers: Offers) -> Diagnosis:
    given = {
        "PIPELINING": offers.pipelining,
        "SMTPUTF8": offers.smtputf8,
        "8BITMIME": offers.eight_bit,
        "SIZE": offers.size,
    }
    said = f"offered: {', '.join(name for name, is_there in given.items() if is_there) or 'nothing'}"
    said += f"; at most {offers.longest:,} bytes a message" if offers.longest is not None else ""
    lacking = []
    if not offers.eight_bit:
        lacking.append(warning("no 8BITMIME: a message that is not ASCII is not sent", "ask for it at the server"))
    if not offers.smtputf8:
        said += "; no SMTPUTF8: nothing is sent to an international address"
    return together([warning(f"{said}; {each.finding}", each.remedy) for each in lacking], said)
