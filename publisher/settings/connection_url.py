"""Checks the two connection URLs, and shortens each to the part that may be shown.

A URL holds a password. Its `text` goes to the driver and nowhere else; whatever prints or logs a URL gets its scheme,
hosts, ports and database alone. A URL that cannot be read safely is refused before a driver sees it: a raw `@` or `/`
in a password moves a part of the password to where the host or the port stands, and drivers show those in their errors.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from publisher.domain.errors import SettingsError
from publisher.settings.connection_options import DATABASE_OPTIONS, REDIS_OPTIONS, Options, option_problem

# scheme://[user[:password]@]hosts[/path][?query]. No @ but the one before the hosts, and no # at all.
_PARTS = re.compile(r"[a-z]+://(?:([^/?#@]*)@)?([^/?#@]*)(?:/([^?#@]*))?(?:\?([^#@]*))?")
_RAW_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::(.*))?")
# A name, an address, or the path of a socket.
_HOST = re.compile(r"[\w.-]*|\[[\w.:%-]+\]|/[^@]*")
# Redis takes no higher one: it would answer every connection with an error.
_LONGEST_NUMBER = 9
_QUOTATION_MARKS = tuple("'\"`“”‘’«»")
_ENCODE = "percent-encode its user name and password (@ is %40, / is %2F, ? is %3F, # is %23, % is %25)"


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionUrl:
    """Where a server is, and how to log in there.

    text: the URL for the driver, with its secrets. shown: scheme, hosts, ports and database; it is the repr, too.
    """

    text: str
    shown: str

    def __repr__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class _Kind:
    """The form that the URL of one variable must have."""

    variable: str
    schemes: Sequence[str]
    options: Options
    example: str

    def problem(self, reason: str = "") -> SettingsError:
        """The error for a URL that breaks a rule. reason: which, in words that show nothing of the URL."""
        schemes = " or ".join(f"{scheme}://" for scheme in self.schemes)
        return SettingsError(f"{self.variable} must be a URL that begins with {schemes}{reason}")


_DATABASE = _Kind(
    "DATABASE_URL", ("postgres", "postgresql"), DATABASE_OPTIONS, "postgresql://user:password@host:5432/name"
)
_REDIS = _Kind("REDIS_URL", ("redis", "rediss", "unix"), REDIS_OPTIONS, "redis://host:6379/0")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A URL taken apart. hosts: each with its port, as they stand there. path and options: decoded."""

    scheme: str
    hosts: Sequence[str]
    path: str
    options: dict[str, str]


def read_database_url(text: str) -> ConnectionUrl:
    """The URL of PostgreSQL, of one host or of several. Raises SettingsError, which shows nothing of the URL."""
    parts = _read(text, _DATABASE)
    elsewhere = {name: parts.options[name] for name in ("host", "hostaddr", "port") if name in parts.options}
    names = elsewhere.get("host", "").split(",") + [
        f"[{address}]" for address in elsewhere.get("hostaddr", "::").split(",")
    ]
    if not all(map(_is_host, names)):
        raise _DATABASE.problem(", and the options host and hostaddr in it must name hosts")
    if not all(map(_is_port, elsewhere.get("port", "").split(","))):
        raise _DATABASE.problem(", and the option port in it must be numbers from 1 to 65535")
    database = parts.options.get("dbname", parts.path)
    query = "&".join(f"{name}={value}" for name, value in elsewhere.items())
    return _url(text, f"{parts.scheme}://{','.join(parts.hosts)}/{database}", query)


def read_redis_url(text: str) -> ConnectionUrl:
    """The URL of Redis. Raises SettingsError, which shows nothing of the URL."""
    parts = _read(text, _REDIS)
    on_socket = parts.scheme == "unix"
    if len(parts.hosts) > 1:
        raise _REDIS.problem(", and names one host")
    if on_socket and (any(parts.hosts) or not parts.path):
        raise _REDIS.problem(", and after unix:// the path of a socket follows, as in unix:///run/redis.sock")
    numbers = [number for number in [not on_socket and parts.path.strip("/"), parts.options.get("db")] if number]
    if not all(number.isdecimal() and number.isascii() for number in numbers):
        raise _REDIS.problem(
            f", and its database must be a number, as in {_REDIS.example};"
            f" if what stands there is a piece of the password, {_ENCODE}"
        )
    if any(len(number) > _LONGEST_NUMBER for number in numbers):
        raise _REDIS.problem(f", and its database must be a number of at most {_LONGEST_NUMBER} digits")
    if len({int(number) for number in numbers}) > 1:
        raise _REDIS.problem(", and its path and its option db must not name two databases")
    if on_socket:
        return _url(text, f"unix:///{parts.path}", f"db={numbers[0]}" if numbers else "")
    return _url(text, f"{parts.scheme}://{parts.hosts[0]}/{numbers[0] if numbers else 0}")


def _read(text: str, kind: _Kind) -> _Parts:
    text = text.strip()
    if not text:
        raise SettingsError(f"{kind.variable} is not set, e.g. {kind.example}")
    if text.startswith(_QUOTATION_MARKS):
        raise kind.problem(", without quotation marks around it")
    if not text.isprintable():
        raise kind.problem(f", in printable characters alone: {_ENCODE}")
    scheme = text.partition("://")[0]
    if scheme not in kind.schemes or "://" not in text:
        raise kind.problem()
    found = _PARTS.fullmatch(text)
    if found is None or _RAW_PERCENT.search(text) or set("[]") & set(found[1] or ""):
        raise kind.problem(f", and this one cannot be read: {_ENCODE}")
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
    return _Parts(scheme, hosts, path, {name: value or "" for name, value in options})


def _check_hosts(hosts: Iterable[str], kind: _Kind) -> None:
    for host in hosts:
        found = _HOST_AND_PORT.fullmatch(host)
        # Decoded: a user name and a password whose @ was encoded as well stand where the host should.
        if found is None or not _is_host(unquote(found[1])):
            raise kind.problem(f", and where its host should stand is none: {_ENCODE}")
        if not _is_port(found[2] or ""):
            raise kind.problem(f", and where its port should stand is no number from 1 to 65535: {_ENCODE}")


def _is_text(text: str) -> bool:
    """Whether all that is percent-encoded is text: the drivers take nothing else, and say so with the whole URL."""
    decoded = unquote_to_bytes(text)
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in decoded


def _is_host(text: str) -> bool:
    if _HOST.fullmatch(text) is None or not text.isprintable():
        return False
    return not text.startswith("[") or _is_address(text[1:-1])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text == "" or (text.isdecimal() and text.isascii() and len(text) <= 5 and 0 < int(text) <= 65_535)


def _pairs(query: str) -> list[tuple[str, str | None]]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return [(unquote(name), unquote(value) if equals else None) for name, equals, value in pairs]


def _url(text: str, shown: str, query: str = "") -> ConnectionUrl:
    return ConnectionUrl(text.strip(), f"{shown}?{query}" if query else shown)
