"""Words why a connection to the SMTP server was not opened: the cause, the place, and which variable to correct.

The server's texts are cut, and their addresses masked. A password never stands in them, nor a user's name (R36).
"""

import os
import socket
import ssl
from collections.abc import Iterator

from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPResponseException

from publisher.domain.errors import MailServerMisconfigured, MailServerUnavailable
from publisher.mail.smtp.verdict import one_line
from publisher.settings.smtp_url import SmtpUrl

_CORRECT = "correct PUBLISHER_SMTP_URL"
_LONGEST_TEXT = 200
# What each scheme expects of the port, where the other side speaks otherwise.
_ANOTHER_SCHEME = {
    "smtps": "if this port begins without TLS, write smtp+starttls:// in PUBLISHER_SMTP_URL",
    "smtp+starttls": "if this port begins with TLS, write smtps:// in PUBLISHER_SMTP_URL",
    "smtp": "if this port begins with TLS, write smtps:// in PUBLISHER_SMTP_URL",
}
_SILENT = {scheme: f"see that no firewall stops this machine; {advice}" for scheme, advice in _ANOTHER_SCHEME.items()}


def translated(error: Exception, url: SmtpUrl, seconds: float) -> MailServerUnavailable:
    """Returns our error for one of aiosmtplib, of TLS or of the operating system."""
    if isinstance(error, SMTPAuthenticationError):
        return _login(error, url)
    if isinstance(error, SMTPResponseException):
        return _answered(error, url)
    origin = next(_origins(error), None)
    if isinstance(origin, ssl.SSLError):
        return _tls(origin, url)
    if isinstance(error, TimeoutError):
        return _wait(url, f"timeout: no answer within {seconds:g} s", _SILENT[url.scheme])
    if origin is not None:
        return _not_reached(origin, url)
    if isinstance(error, ConnectionError):
        return _wait(url, "the server closed the connection", _ANOTHER_SCHEME[url.scheme])
    if isinstance(error, UnicodeError):
        return _mend(url, "the host name is none", _CORRECT)
    return _mend(url, *_missing(error))


def _wait(url: SmtpUrl, cause: str, advice: str) -> MailServerUnavailable:
    return MailServerUnavailable(f"{cause} ({url.shown}): {advice}")


def _mend(url: SmtpUrl, cause: str, advice: str) -> MailServerMisconfigured:
    return MailServerMisconfigured(f"{cause} ({url.shown}): {advice}")


def _origins(error: BaseException) -> Iterator[OSError]:
    """Yields the errors of the operating system and of OpenSSL behind an error of aiosmtplib."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, SMTPException):
            yield cause
        cause = cause.__cause__ or cause.__context__


def _not_reached(origin: OSError, url: SmtpUrl) -> MailServerUnavailable:
    if isinstance(origin, socket.gaierror):
        return _wait(url, "the host name is unknown", f"{_CORRECT}, or see that this machine can resolve it")
    if isinstance(origin, ConnectionResetError | BrokenPipeError):
        return _wait(url, "the server closed the connection", _ANOTHER_SCHEME[url.scheme])
    # asyncio names the address in the place of the system's words, and of several addresses it gives no number.
    cause = os.strerror(origin.errno).lower() if origin.errno else "none of the host's addresses could be reached"
    return _wait(url, cause, f"see that the SMTP server runs there, or {_CORRECT}")


def _login(error: SMTPAuthenticationError, url: SmtpUrl) -> MailServerUnavailable:
    cause = f"the SMTP server refused the login: {_said(error)}"
    if 400 <= error.code < 500:
        return _wait(url, cause, "it is tried again")
    return _mend(url, cause, "correct the user name and password in PUBLISHER_SMTP_URL")


def _answered(error: SMTPResponseException, url: SmtpUrl) -> MailServerUnavailable:
    if error.code < 200:
        # aiosmtplib's own code for what is no reply; its text quotes what came.
        return _mend(url, "another server than SMTP answers on this port", _CORRECT)
    cause = f"the SMTP server takes no mail now: {_said(error)}"
    return _wait(url, cause, "see its log, and that it takes mail from this machine")


def _said(error: SMTPResponseException) -> str:
    return one_line(f"{error.code} {error.message}", _LONGEST_TEXT)


def _missing(error: Exception) -> tuple[str, str]:
    """What the server does not offer. aiosmtplib says it in words alone."""
    text = str(error)
    if "STARTTLS extension" in text:
        advice = "write smtps:// and its port in PUBLISHER_SMTP_URL, or smtp:// if a connection without TLS is enough"
        return "the SMTP server offers no STARTTLS", advice
    advice = "leave the user name and password out of PUBLISHER_SMTP_URL, or have the server offer PLAIN or LOGIN"
    return "the SMTP server offers no login that is known here", advice


def _tls(error: ssl.SSLError, url: SmtpUrl) -> MailServerUnavailable:
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return _wait(url, f"the TLS handshake failed: {reason}", _ANOTHER_SCHEME[url.scheme])
    reason = str(error.verify_message).rstrip(".")
    if "mismatch" in reason.lower():
        advice = "write the name that its certificate holds into PUBLISHER_SMTP_URL"
        return _mend(url, f"the SMTP server's certificate is for another name: {reason}", advice)
    if "expired" in reason or "not yet valid" in reason:
        return _mend(url, f"the SMTP server's certificate is not valid now: {reason}", "renew it")
    advice = "name the file of its authority in PUBLISHER_SMTP_CA_FILE"
    return _mend(url, f"the SMTP server's certificate is not trusted: {reason}", advice)
