"""Checks the connection URLs, and shortens each to the part that may be shown.

A URL holds a password. Its `text` goes to the driver and nowhere else; whatever prints or logs a URL gets its scheme,
hosts, ports and database alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from publisher.domain.errors import SettingsError
from publisher.settings.connection_options import DATABASE_OPTIONS, REDIS_OPTIONS, SENTINEL_OPTIONS
from publisher.settings.url_parts import ENCODE, UrlKind, UrlParts, is_host, is_port, read_parts

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
# One server; the primary that Sentinels name; the shards of a cluster.
_ONE, _SENTINEL, _CLUSTER = (
    ("redis", "rediss", "unix"),
    ("redis+sentinel", "rediss+sentinel"),
    ("redis+cluster", "rediss+cluster"),
)
_EXAMPLE = "redis://host:6379/0"
_SENTINEL_EXAMPLE = "redis+sentinel://host:26379,host:26379/mymaster"
_CLUSTER_EXAMPLE = "redis+cluster://host:6379,host:6379"


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


def read_redis_url(text: str, variable: str = "REDIS_URL") -> ConnectionUrl:
    """The URL of the Redis that keeps the queues: one server, or a primary that Sentinels name.

    Raises SettingsError, which shows nothing of the URL.
    """
    scheme = text.strip().partition("://")[0]
    if scheme in _CLUSTER:
        raise SettingsError(
            f"{variable} must not be a cluster: Dramatiq keeps its queues there, which need one server. Name a Redis"
            " that is none, and the cluster in PUBLISHER_EMAIL_REDIS_URL, PUBLISHER_INTENTS_REDIS_URL, …"
        )
    return _server_url(text, variable, _SENTINEL)


def read_stream_redis_url(text: str, variable: str) -> ConnectionUrl:
    """The URL of a Redis for streams: one server, a primary that Sentinels name, or a cluster.

    Raises SettingsError, which shows nothing of the URL.
    """
    if text.strip().partition("://")[0] not in _CLUSTER:
        return _server_url(text, variable, (*_SENTINEL, *_CLUSTER))
    kind = UrlKind(variable, _CLUSTER, {}, _CLUSTER_EXAMPLE)
    parts = read_parts(text, kind)
    if parts.path.strip("/") not in ("", "0"):
        raise kind.problem(", and after its nodes nothing follows: a cluster has one database alone")
    if not all(parts.hosts):
        raise kind.problem(", and names some of the cluster's nodes")
    _check_login(parts, kind)
    return _url(text, f"{parts.scheme}://{','.join(parts.hosts)}")


def read_urls(values: Mapping[str, str]) -> tuple[dict[str, ConnectionUrl], list[str]]:
    """The URLs of both servers by field, an empty one in the place of one that is bad, and what is wrong."""
    urls, problems = {}, []
    for field, read in (("database_url", read_database_url), ("redis_url", read_redis_url)):
        try:
            urls[field] = read(values.get(field, ""))
        except SettingsError as error:
            urls[field] = ConnectionUrl("", "")
            problems.append(str(error))
    return urls, problems


def _server_url(text: str, variable: str, others: Sequence[str]) -> ConnectionUrl:
    """The URL of one server, or of a primary that Sentinels name. others: the schemes of what else it might name."""
    scheme = text.strip().partition("://")[0]
    return _sentinel_url(text, variable) if scheme in _SENTINEL else _redis_url(text, variable, others)


def _redis_url(text: str, variable: str, others: Sequence[str]) -> ConnectionUrl:
    kind = UrlKind(variable, _ONE, REDIS_OPTIONS, _EXAMPLE, others)
    parts = read_parts(text, kind)
    on_socket = parts.scheme == "unix"
    if len(parts.hosts) > 1:
        cluster = f", and a cluster {_CLUSTER_EXAMPLE}" if set(_CLUSTER) <= set(others) else ""
        raise kind.problem(f", and names one host; a primary that Sentinels name is {_SENTINEL_EXAMPLE}{cluster}")
    if on_socket and (any(parts.hosts) or not parts.path):
        raise kind.problem(", and after unix:// the path of a socket follows, as in unix:///run/redis.sock")
    number = _database_number(parts, "" if on_socket else parts.path.strip("/"), kind)
    if on_socket:
        return _url(text, f"unix:///{parts.path}", f"db={number}" if number else "")
    return _url(text, f"{parts.scheme}://{parts.hosts[0]}/{number or 0}")


def _sentinel_url(text: str, variable: str) -> ConnectionUrl:
    kind = UrlKind(variable, _SENTINEL, SENTINEL_OPTIONS, _SENTINEL_EXAMPLE)
    parts = read_parts(text, kind)
    name, _, number = parts.path.strip("/").partition("/")
    if not name or not all(parts.hosts):
        raise kind.problem(f", names the Sentinels, and after a slash their primary, as in {kind.example}")
    _check_login(parts, kind)
    return _url(text, f"{parts.scheme}://{','.join(parts.hosts)}/{name}/{_database_number(parts, number, kind) or 0}")


def _check_login(parts: UrlParts, kind: UrlKind) -> None:
    """Refuses a login that stands before the second host: the first would be taken for its user name."""
    if "," in parts.login:
        example = kind.example.replace("//", "//user:password@")
        raise kind.problem(f", and has one login, before its first host, as in {example}; a comma in it is %2C")


def _database_number(parts: UrlParts, in_path: str, kind: UrlKind) -> str:
    """The number of the database, checked; blank if the URL names none."""
    numbers = [number for number in [in_path, parts.options.get("db")] if number]
    if not all(number.isdecimal() and number.isascii() for number in numbers):
        raise kind.problem(
            f", and its database must be a number, as in {kind.example};"
            f" if what stands there is a piece of the password, {ENCODE}"
        )
    if any(len(number) > _LONGEST_NUMBER for number in numbers):
        raise kind.problem(f", and its database must be a number of at most {_LONGEST_NUMBER} digits")
    if len({int(number) for number in numbers}) > 1:
        raise kind.problem(", and its path and its option db must not name two databases")
    return numbers[0] if numbers else ""


def _url(text: str, shown: str, query: str = "") -> ConnectionUrl:
    return ConnectionUrl(text.strip(), f"{shown}?{query}" if query else shown)
