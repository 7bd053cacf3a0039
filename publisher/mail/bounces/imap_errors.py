"""Words why an IMAP mailbox cannot be read: the cause, the place, and which variable to correct.

The server's words are cut, and their addresses masked. Neither the user's name nor the password stands in them (R36).
"""

import imaplib
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from publisher.domain.errors import MailboxUnavailable
from publisher.domain.masking import masked
from publisher.settings.mailbox_url import MailboxKind, MailboxUrl

_LONGEST_TEXT = 200
# What each scheme expects of the port, where the other side speaks otherwise.
_ANOTHER_SCHEME = {
    MailboxKind.IMAPS: "if this port begins without TLS, write imap+starttls:// in {named}",
    MailboxKind.IMAP_STARTTLS: "if this port begins with TLS, write imaps:// in {named}",
}


@contextmanager
def translated(url: MailboxUrl) -> Iterator[None]:
    """Raises our error for one of imaplib, of TLS or of the operating system."""
    try:
        yield
    except ssl.SSLError as error:
        raise _tls(error, url) from error
    except OSError as error:
        raise _not_reached(error, url) from error
    except imaplib.IMAP4.error as error:
        said = one_line([str(error).encode()])
        raise unavailable(f"the IMAP server answers wrongly: {said}", url, _ANOTHER_SCHEME[url.kind]) from error


def unavailable(cause: str, url: MailboxUrl, advice: str) -> MailboxUnavailable:
    """Words the cause with the place and the advice, in which `{named}` stands for the variable of the URL."""
    return MailboxUnavailable(f"{cause} ({masked(url.shown)}): {advice.format(named=url.named)}")


def one_line(data: Sequence[object]) -> str:
    """What a server said, to be shown."""
    said = b" ".join(part for part in data if isinstance(part, bytes))
    text = "".join(c for c in said.decode("utf-8", "replace") if c.isprintable())
    return masked(text)[:_LONGEST_TEXT]


def _tls(error: ssl.SSLError, url: MailboxUrl) -> MailboxUnavailable:
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return unavailable(f"no TLS with the IMAP server: {reason}", url, _ANOTHER_SCHEME[url.kind])
    reason = str(error.verify_message).rstrip(".")
    if "mismatch" in reason.lower():
        advice = "write the name that its certificate holds into {named}"
        return unavailable(f"the IMAP server's certificate is for another name: {reason}", url, advice)
    advice = "name the file of its authority in SSL_CERT_FILE"
    return unavailable(f"the IMAP server's certificate is not trusted: {reason}", url, advice)


def _not_reached(error: OSError, url: MailboxUrl) -> MailboxUnavailable:
    if isinstance(error, socket.gaierror):
        return unavailable("the host name is unknown", url, "correct {named}, or see that this machine can resolve it")
    if isinstance(error, TimeoutError):
        advice = f"see that no firewall stops this machine; {_ANOTHER_SCHEME[url.kind]}"
        return unavailable("timeout: the IMAP server does not answer", url, advice)
    cause = os.strerror(error.errno).lower() if error.errno else "it closed the connection"
    advice = "see that the IMAP server runs there, or correct {named}"
    return unavailable(f"the IMAP server cannot be reached: {cause}", url, advice)
