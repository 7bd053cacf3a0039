"""Words why a connection to PostgreSQL failed: the cause, the host and port, the sslmode, and what to do.

A password never stands in these texts, nor a user's name (R36). libpq's own words are kept where they are known to hold
neither, and its advice is replaced by ours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg2.extensions

_RUNS = "see that PostgreSQL runs there, or correct the host and port in DATABASE_URL"
_ITS_PORT = "see that host and port in DATABASE_URL are those of PostgreSQL, and not of another server"
_TOO_MANY = "run fewer processes or threads, or raise the limit: 'publisher doctor' counts the connections"
_HBA = "let this host, user and database in by a line of pg_hba.conf"
_PROMOTED = "wait until a standby is promoted, or name the primary in DATABASE_URL"
# What target_session_attrs refuses.
_READ_ONLY = "session is read-only"
# What PgBouncer says before it closes the connection.
_POOLER = ("server_login_retry", "cannot connect to server")
_POOLED = "see that PostgreSQL runs behind it, and the pooler's log"
_PORT = "5432"
_SOCKET, _LOCAL = "Unix socket", "the local socket"
# libpq begins its error about each address so.
_ATTEMPT = re.compile(r'connection to server (?:at "([^"]*)"(?: \([^)]*\))?, port (\w+)|on socket "([^"]*)") failed: ')


@dataclass(frozen=True, slots=True)
class _Known:
    """A cause that is known by a piece of libpq's text. cause: its words here; blank: libpq's own."""

    piece: str
    advice: str
    cause: str = ""


# The first that is found holds.
_CAUSES: Sequence[_Known] = (
    *(_Known(piece, _POOLED, "the pooler there does not reach its server") for piece in _POOLER),
    _Known("Connection refused", _RUNS, "connection refused"),
    _Known("No such file or directory\n\tIs the server running", _RUNS, "there is no such socket"),
    _Known(
        "could not translate host name",
        "correct it in DATABASE_URL, or see that this machine can resolve it",
        "the host name is unknown",
    ),
    _Known(
        "server does not support SSL",
        "turn ssl on in PostgreSQL, or write sslmode=prefer into DATABASE_URL, which does without TLS",
        "the server does not speak TLS, and DATABASE_URL demands it",
    ),
    _Known("no encryption", f"write sslmode=require into DATABASE_URL, or {_HBA}"),
    _Known("no pg_hba.conf entry", _HBA),
    _Known("pg_hba.conf rejects", _HBA),
    _Known(
        "certificate verify failed",
        "name the file of its authority by sslrootcert in DATABASE_URL, or write sslmode=require, which verifies no"
        " certificate",
        "the certificate of PostgreSQL is not trusted",
    ),
    _Known(
        "does not match host name",
        "write the name that the certificate holds into DATABASE_URL, or sslmode=verify-ca, which does not compare it",
    ),
    _Known(
        "root certificate file",
        "name that file by sslrootcert in DATABASE_URL, or write sslmode=require, which verifies no certificate",
        "there is no file of the authority that PostgreSQL's certificate is to be verified by",
    ),
    _Known("password authentication failed", "correct the user name and password in DATABASE_URL"),
    _Known("no password supplied", "write the password into DATABASE_URL", "the server demands a password"),
    _Known("too many clients", _TOO_MANY),
    _Known("too many connections", _TOO_MANY),
    _Known("remaining connection slots", _TOO_MANY),
    _Known("permission denied for database", "GRANT CONNECT ON DATABASE to this user"),
    _Known("not currently accepting connections", "ALTER DATABASE … ALLOW_CONNECTIONS true, once it may be used"),
    _Known("is not permitted to log in", "ALTER ROLE … LOGIN, or correct the user name in DATABASE_URL"),
    _Known('role "', "create this role, or correct the user name in DATABASE_URL"),
    _Known('database "', "create this database, or correct its name at the end of DATABASE_URL"),
    _Known("the database system is", "wait until it is up"),
    _Known(_READ_ONLY, _PROMOTED, "it takes no writes: a standby, or read only"),
    _Known("received invalid response to SSL negotiation", _ITS_PORT, "another server than PostgreSQL answers"),
    _Known("expected authentication request", _ITS_PORT, "another server than PostgreSQL answers"),
    _Known("SSL error", f"{_ITS_PORT}; if they are, see the sslmode in DATABASE_URL"),
    _Known(
        "server closed the connection unexpectedly", _ITS_PORT, "the server closed the connection without an answer"
    ),
    _Known("did not answer within", f"it is stalled or out of reach; {_ITS_PORT}"),
    _Known("timeout expired", f"it is stalled or out of reach; {_ITS_PORT}"),
    _Known("timed out", "see that the host is up, and that no firewall drops the connection"),
    _Known("No route to host", "correct the host in DATABASE_URL, or see to the network"),
    _Known("Network is unreachable", "correct the host in DATABASE_URL, or see to the network"),
)


def addresses(dsn: str) -> list[str]:
    """Returns each host with its port, as in `db.example:5432` or `[::1]:5432`, or the folder of a socket."""
    return _addresses(psycopg2.extensions.parse_dsn(dsn))


def place(dsn: str) -> str:
    """Returns hosts, ports and the sslmode of a connection: `db.example:5432, sslmode=require`."""
    parts = psycopg2.extensions.parse_dsn(dsn)
    addresses = _addresses(parts)
    return f"{','.join(addresses)}, {_SOCKET if all(map(_is_socket, addresses)) else _security(parts)}"


def refused_connection(text: str, dsn: str) -> str:
    """Words libpq's error about a connection that was not established, of every address that was tried, on one line."""
    parts = psycopg2.extensions.parse_dsn(dsn)
    attempts = list(_attempts(text, parts))
    if not attempts:
        return _told(text, place(dsn))
    # Where it may, libpq tries the same address with TLS and without it: that pg_hba.conf has no line for one of the
    # two is not what keeps this user out.
    said = {
        _told(reason, where): None
        for n, (where, reason) in enumerate(attempts)
        if "no encryption" not in reason or all(other != where for other, _ in attempts[:n] + attempts[n + 1 :])
    }
    return "; ".join(said)


def _attempts(text: str, parts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yields the place of each attempt and libpq's text about it; none if the text names no place.

    Of several attempts the text about the first may stand without its place: a driver that connects without blocking
    takes it away.
    """
    security = _security(parts)
    found = list(_ATTEMPT.finditer(text))
    if found and (first := text[: found[0].start()].strip()):
        address = _addresses(parts)[0]
        yield f"{address}, {_SOCKET if _is_socket(address) else security}", first
    for attempt, following in zip(found, [*found[1:], None], strict=False):
        host, port, path = attempt.groups()
        where = f"{path}, {_SOCKET}" if path else f"{_with_port(host, port)}, {security}"
        yield where, text[attempt.end() : following and following.start()]


def _told(text: str, where: str) -> str:
    known = next((known for known in _CAUSES if known.piece in text), _Known("", ""))
    cause = known.cause or " ".join(text.split()).removeprefix("FATAL: ").strip()
    return f"{cause} ({where})" + (f": {known.advice}" if known.advice else "")


def _addresses(parts: dict[str, str]) -> list[str]:
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = (parts.get("port") or _PORT).split(",")
    if len(ports) < len(hosts):
        ports *= len(hosts)
    pairs = zip((host or _LOCAL for host in hosts), ports, strict=False)
    return [host if _is_socket(host) else _with_port(host, port) for host, port in pairs]


def _with_port(host: str, port: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port or _PORT}"


def _is_socket(host: str) -> bool:
    return host.startswith("/") or host == _LOCAL


def _security(parts: dict[str, str]) -> str:
    mode = parts.get("sslmode")
    return f"sslmode={mode}" if mode else "sslmode not set"
