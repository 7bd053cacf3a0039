"""Reads the URL of the SMTP server, and keeps a password from a connection without TLS."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote

from publisher.settings.url_parts import ENCODE, UrlKind, host_and_port, read_parts

# RFC 5321, RFC 6409 and RFC 8314. 587 takes mail from its own users, and asks them for STARTTLS and a login.
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_SMTP = UrlKind("PUBLISHER_SMTP_URL", tuple(_PORTS), {}, "smtp+starttls://user:password@host:587")
_FORM = "write it as smtp+starttls://user:password@host:587"


@dataclass(frozen=True, slots=True, repr=False)
class SmtpUrl:
    """Where the SMTP server is, and how to log in there.

    scheme: `smtp` without TLS, `smtp+starttls` with TLS after the greeting, `smtps` with TLS from the first byte.
    host: a name or an address, one of IPv6 without brackets.
    user, password: decoded; None: no login. Never shown.
    text: the URL as it was set, with its secrets.
    shown: scheme, host and port; it is the repr, too.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    text: str
    shown: str

    def __repr__(self) -> str:
        return self.shown

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine, by its address or as `localhost`."""
        return _is_here(self.host)


def read_smtp_url(text: str) -> SmtpUrl:
    """The URL of the SMTP server. Raises SettingsError, which shows nothing of the URL.

    A user name and a password are taken without TLS only where the connection stays on this machine: anybody on the way
    could read them.
    """
    parts = read_parts(text, _SMTP)
    if len(parts.hosts) > 1:
        raise _SMTP.problem(", and names one host")
    host, port = host_and_port(parts.hosts[0])
    if not host or host.startswith("/"):
        raise _SMTP.problem(f", and names a host: {_FORM}")
    if parts.path:
        raise _SMTP.problem(f", and nothing follows its port; if that is a piece of the password, {ENCODE}")
    user, password = _login(parts.login)
    bare = host.strip("[]")
    if user is not None and parts.scheme == "smtp" and not _is_here(bare):
        raise _SMTP.fault(
            "begins with smtp://, which sends its password where others can read it:"
            " write smtp+starttls:// or smtps://, or leave the user name and password out"
        )
    number = int(port or _PORTS[parts.scheme])
    return SmtpUrl(parts.scheme, bare, number, user, password, text.strip(), f"{parts.scheme}://{host}:{number}")


def _login(text: str) -> tuple[str | None, str | None]:
    """The user name and the password, or neither."""
    if not text:
        return None, None
    user, _, password = text.partition(":")
    if not user or not password:
        raise _SMTP.problem(f", with a user name and a password, or with neither: {_FORM}")
    return unquote(user), unquote(password)


def _is_here(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
