"""Checks the two connection URLs, and shortens each to the part that may be shown.

A URL holds a password. Its `text` goes to the driver and nowhere else; whatever prints or logs a URL gets its scheme,
hosts, ports and database alone.
"""

from dataclasses import dataclass

from publisher.settings.connection_options import DATABASE_OPTIONS, REDIS_OPTIONS
from publisher.settings.url_parts import ENCODE, UrlKind, is_host, is_port, read_parts

# Redis takes no higher one: it would answer every connection with an error.
_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionUrl:
    """Where a server is, and how to log in there.

    text: the URL for the driver, with its secrets. shown: scheme, hosts, ports and database; it is the repr, too.
    """

    text: str
    shown: str

    def __repr__(self) -> str:
        return self.shown


_DATABASE = UrlKind(
    "DATABASE_URL", ("postgres", "postgresql"), DATABASE_OPTIONS, "postgresql://user:password@host:5432/name"
)
_REDIS = UrlKind("REDIS_URL", ("redis", "rediss", "unix"), REDIS_OPTIONS, "redis://host:6379/0")


def read_database_url(text: str) -> ConnectionUrl:
    """The URL of PostgreSQL, of one host or of several. Raises SettingsError, which shows nothing of the URL."""
    parts = read_parts(text, _DATABASE)
    elsewhere = {name: parts.options[name] for name in ("host", "hostaddr", "port") if name in parts.options}
    names = elsewhere.get("host", "").split(",") + [
        f"[{address}]" for address in elsewhere.get("hostaddr", "::").split(",")
    ]
    if not all(map(is_host, names)):
        raise _DATABASE.problem(", and the options host and hostaddr in it must name hosts")
    if not all(map(is_port, elsewhere.get("port", "").split(","))):
        raise _DATABASE.problem(", and the option port in it must be numbers from 1 to 65535")
    database = parts.options.get("dbname", parts.path)
    query = "&".join(f"{name}={value}" for name, value in elsewhere.items())
    return _url(text, f"{parts.scheme}://{','.join(parts.hosts)}/{database}", query)


def read_redis_url(text: str) -> ConnectionUrl:
    """The URL of Redis. Raises SettingsError, which shows nothing of the URL."""
    parts = read_parts(text, _REDIS)
    on_socket = parts.scheme == "unix"
    if len(parts.hosts) > 1:
        raise _REDIS.problem(", and names one host")
    if on_socket and (any(parts.hosts) or not parts.path):
        raise _REDIS.problem(", and after unix:// the path of a socket follows, as in unix:///run/redis.sock")
    numbers = [number for number in [not on_socket and parts.path.strip("/"), parts.options.get("db")] if number]
    if not all(number.isdecimal() and number.isascii() for number in numbers):
        raise _REDIS.problem(
            f", and its database must be a number, as in {_REDIS.example};"
            f" if what stands there is a piece of the password, {ENCODE}"
        )
    if any(len(number) > _LONGEST_NUMBER for number in numbers):
        raise _REDIS.problem(f", and its database must be a number of at most {_LONGEST_NUMBER} digits")
    if len({int(number) for number in numbers}) > 1:
        raise _REDIS.problem(", and its path and its option db must not name two databases")
    if on_socket:
        return _url(text, f"unix:///{parts.path}", f"db={numbers[0]}" if numbers else "")
    return _url(text, f"{parts.scheme}://{parts.hosts[0]}/{numbers[0] if numbers else 0}")


def _url(text: str, shown: str, query: str = "") -> ConnectionUrl:
    return ConnectionUrl(text.strip(), f"{shown}?{query}" if query else shown)
