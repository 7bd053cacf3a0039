"""Takes a server's URL apart, and refuses one that cannot be read safely before a driver sees it.

A raw `@` or `/` in a password moves a part of the password to where the host or the port stands, and drivers show those
in their errors. What is said of a refused URL shows nothing of it.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes

from publisher.domain.errors import SettingsError
from publisher.settings.connection_options import Options, option_problem

# scheme://[user[:password]@]hosts[/path][?query]. No @ but the one before the hosts, and no # at all.
_PARTS = re.compile(r"[a-z+]+://(?:([^/?#@]*)@)?([^/?#@]*)(?:/([^?#@]*))?(?:\?([^#@]*))?")
_RAW_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::(.*))?")
# A name, an address, or the path of a socket.
_HOST = re.compile(r"[\w.-]*|\[[\w.:%-]+\]|/[^@]*")
_QUOTATION_MARKS = tuple("'\"`“”‘’«»")
ENCODE = "percent-encode its user name and password (@ is %40, / is %2F, ? is %3F, # is %23, % is %25)"


@dataclass(frozen=True, slots=True)
class UrlKind:
    """The form that the URL of one variable must have.

    options: those that its query may hold.
    example: one that is right, for people.
    others: the schemes of other forms that the URL may have, which are read elsewhere.
    """

    variable: str
    schemes: Sequence[str]
    options: Options
    example: str
    others: Sequence[str] = ()

    def problem(self, reason: str = "") -> SettingsError:
        """The error for a URL that breaks a rule. reason: which, in words that show nothing of the URL."""
        return SettingsError(f"{self.variable} must be a URL that begins with {_named(self.schemes)}{reason}")

    def unknown_scheme(self) -> SettingsError:
        """The error for a URL that begins like none of any form."""
        return SettingsError(f"{self.variable} must be a URL that begins with {_named([*self.schemes, *self.others])}")

    def fault(self, said: str) -> SettingsError:
        """The error for a URL of the right form with one fault. said: which, after the variable's name."""
        return SettingsError(f"{self.variable} {said}")


@dataclass(frozen=True, slots=True)
class UrlParts:
    """A URL taken apart.

    login: what stands before the @, not decoded; blank: nothing does.
    hosts: each with its port, as they stand there.
    path, options: decoded.
    """

    scheme: str
    login: str = field(repr=False)
    hosts: Sequence[str]
    path: str = field(repr=False)
    options: dict[str, str] = field(repr=False)


def read_parts(text: str, kind: UrlKind) -> UrlParts:
    """The parts of the URL. Raises SettingsError, which shows nothing of the URL."""
    text = text.strip()
    if not text:
        raise SettingsError(f"{kind.variable} is not set, e.g. {kind.example}")
    if text.startswith(_QUOTATION_MARKS):
        raise kind.problem(", without quotation marks around it")
    if not text.isprintable():
        raise kind.problem(f", in printable characters alone: {ENCODE}")
    scheme = text.partition("://")[0]
    if scheme not in kind.schemes or "://" not in text:
        raise kind.unknown_scheme()
    found = _PARTS.fullmatch(text)
    if found is None or _RAW_PERCENT.search(text) or set("[]") & set(found[1] or ""):
        raise kind.problem(f", and this one cannot be read: {ENCODE}")
    if not _is_text(text):
        raise kind.problem(", and what is percent-encoded in it must be UTF-8 without NUL (%00)")
    hosts, path = found[2].split(","), unquote(found[3] or "")
    _check_hosts(hosts, kind)
    if not path.isprintable():
        raise kind.problem(", and its path must hold no control characters")
    options = _pairs(found[4] or "")
    said = option_problem(options, kind.options)
    if said is not None:
        raise kind.problem(f", and {said}")
    return UrlParts(scheme, found[1] or "", hosts, path, {name: value or "" for name, value in options})


def host_and_port(text: str) -> tuple[str, str]:
    """One of the hosts of a UrlParts, decoded, and its port; each is blank if it does not stand there."""
    found = _HOST_AND_PORT.fullmatch(text)
    return (unquote(found[1]), found[2] or "") if found else ("", "")


def is_host(text: str) -> bool:
    """Whether it is a host's name, its address (that of IPv6 in brackets), the path of a socket, or blank."""
    if _HOST.fullmatch(text) is None or not text.isprintable():
        return False
    return not text.startswith("[") or _is_address(text[1:-1])


def is_port(text: str) -> bool:
    """Whether it is the number of a port, or blank."""
    return text == "" or (text.isdecimal() and text.isascii() and len(text) <= 5 and 0 < int(text) <= 65_535)


def _named(schemes: Iterable[str]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


def _check_hosts(hosts: Iterable[str], kind: UrlKind) -> None:
    for host in hosts:
        found = _HOST_AND_PORT.fullmatch(host)
        # Decoded: a user name and a password whose @ was encoded as well stand where the host should.
        if found is None or not is_host(unquote(found[1])):
            raise kind.problem(f", and where its host should stand is none: {ENCODE}")
        if not is_port(found[2] or ""):
            raise kind.fault(
                f"has no port from 1 to 65535 behind its host's colon; if a piece of the password is there, {ENCODE}"
            )


def _is_text(text: str) -> bool:
    """Whether all that is percent-encoded is text: the drivers take nothing else, and say so with the whole URL."""
    decoded = unquote_to_bytes(text)
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in decoded


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _pairs(query: str) -> list[tuple[str, str | None]]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return [(unquote(name), unquote(value) if equals else None) for name, equals, value in pairs]
