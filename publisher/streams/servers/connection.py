"""Opens Redis clients, and translates redis-py's errors into the service's own."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from publisher.domain.errors import RedisRefused, RedisUnavailable, SettingsError
from publisher.streams.servers.cluster_down import cannot_serve
from publisher.streams.servers.command_packer import CommandPacker
from publisher.streams.servers.connection_errors import BY_NODES, BY_SENTINELS
from publisher.streams.servers.named_connections import (
    NamedPrimaryConnection,
    NamedPrimaryTlsConnection,
    connection_class,
)
from publisher.streams.servers.redis_url import RedisUrl, read_url
from publisher.streams.servers.sentinels import Sentinels

# The server is away, or cannot serve now: the same command may succeed later.
_PASSING = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    redis.exceptions.MaxConnectionsError,
    # A node of a cluster that does not have the slot, or not any more.
    redis.exceptions.AskError,
)
# The same, by its first word, where redis-py has no class. UNBLOCKED: the server became a replica while a client waited
# there. NOREPLICAS: too few replicas follow, as for a moment after a failover.
_PASSING_WORDS = ("UNBLOCKED ", "NOREPLICAS ")
# A Sentinel has at least so long to answer.
_LEAST_SECONDS = 0.5
_IN_PIPELINE = " of pipeline caused error: "
_USER = re.compile(r"\bUser \S+ has no permissions")


def open_redis(
    url: str,
    *,
    timeout: timedelta,
    client_name: str,
    tls: str = "verify",
    ca_file: str = "",
    on_answer: Callable[[], None] | None = None,
    variable: str = "REDIS_URL",
) -> redis.Redis:
    """Opens a client that connects on first use. It waits `timeout` for a reply, and repeats no command by itself.

    url: of one server, or of a primary that Sentinels name: then each new connection asks them where it is.
    tls: `verify` checks the server's certificate, against ca_file if that is given; `insecure` does not.
    on_answer: called after each answer that is no error; None: nobody asks.
    variable: the setting that holds the URL, for errors.
    Raises SettingsError if redis-py does not understand the URL.
    """
    several = read_url(url)
    uses_tls = several.tls if several is not None else url.startswith("rediss://")
    options = _options(timeout, client_name, tls=(tls, ca_file) if uses_tls else None)
    options |= {"on_answer": on_answer, "variable": variable}
    if several is not None:
        return _primary(several, timeout, options)
    if url.startswith("unix://"):
        del options["socket_keepalive"]
    try:
        return redis.Redis.from_url(url, connection_class=connection_class(url), **options)
    except ValueError:
        # Without its reason, which a traceback would show: it may quote a password that was taken for a port.
        raise SettingsError(f"{variable} is no URL that Redis understands") from None


def open_node(
    url: RedisUrl,
    host: str,
    port: int,
    *,
    timeout: timedelta,
    client_name: str,
    tls: str = "verify",
    ca_file: str = "",
    on_answer: Callable[[], None] | None = None,
    on_fault: Callable[[redis.RedisError], None] | None = None,
    variable: str = "REDIS_URL",
) -> redis.Redis:
    """Opens a client of one node of the cluster, as `open_redis`.

    on_fault: called with the error when the node is away, or does not have the slot of a key (any more).
    """
    options = _options(timeout, client_name, tls=(tls, ca_file) if url.tls else None)
    options |= {"on_answer": on_answer, "on_fault": on_fault, "variable": variable, **_login(url)}
    options["announced"] = None if (host, port) in url.hosts else BY_NODES
    return _at(host, port, options, tls=url.tls)


def _at(host: str, port: int, options: dict[str, Any], *, tls: bool) -> redis.Redis:
    kind = connection_class("rediss://" if tls else "redis://")
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, host=host, port=port, **options))


def _options(timeout: timedelta, client_name: str, tls: tuple[str, str] | None) -> dict[str, Any]:
    """Returns what every connection has in common. tls: how certificates are verified, and against which file."""
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": timeout.total_seconds(),
        "socket_connect_timeout": timeout.total_seconds(),
        "socket_keepalive": True,
        # Repeating is each operation's own matter: XADD must not be repeated, the append-once script may.
        "retry": Retry(NoBackoff(), 0),
        "client_name": client_name,
        # Nobody reads what redis-py would say of itself, and Redis before 7.2 does not know the command.
        "driver_info": None,
        "command_packer": CommandPacker(),
    }
    return options if tls is None else options | _tls_options(*tls)


def _tls_options(tls: str, ca_file: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ssl_cert_reqs": ssl.CERT_NONE if tls == "insecure" else ssl.CERT_REQUIRED,
        "ssl_check_hostname": tls != "insecure",
    }
    return options | ({"ssl_ca_certs": ca_file} if ca_file else {})


def _login(url: RedisUrl) -> dict[str, str]:
    named = {"username": url.username, "password": url.password}
    return {name: text for name, text in named.items() if text}


def _primary(url: RedisUrl, timeout: timedelta, options: dict[str, Any]) -> redis.Redis:
    """Opens a client of the primary that Sentinels name."""
    login = {"username": url.sentinel_username, "password": url.sentinel_password}
    # All of them together have as long as a reply may take, but each long enough to answer over a network.
    seconds = max(timeout.total_seconds() / len(url.hosts), _LEAST_SECONDS)
    of_sentinels = {name: value for name, value in options.items() if name.startswith("ssl_")} | {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
        # A connection that says nothing first has TLS's own messages to read, and redis-py takes them for answers.
        "client_name": options["client_name"],
        "variable": options["variable"],
        **{name: text for name, text in login.items() if text},
    }
    pool = SentinelConnectionPool(
        url.primary,
        Sentinels([_at(host, port, of_sentinels, tls=url.tls) for host, port in url.hosts]),
        connection_class=NamedPrimaryTlsConnection if url.tls else NamedPrimaryConnection,
        db=url.database,
        announced=BY_SENTINELS,
        **_login(url),
        **options,
    )
    return redis.Redis.from_pool(pool)


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's errors into RedisUnavailable and RedisRefused."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        if _is_passing(error):
            variable = getattr(error, "variable", "REDIS_URL")
            told = f"Redis is not available: {message(error)}{_what_to_do(error, variable)}"
            raise RedisUnavailable(told, variable) from error
        raise RedisRefused(f"Redis refused: {message(error)}") from error


def _is_passing(error: redis.RedisError) -> bool:
    told = message(error)
    return isinstance(error, _PASSING) or told.startswith(_PASSING_WORDS) or cannot_serve(told)


def _what_to_do(error: redis.RedisError, variable: str) -> str:
    if isinstance(error, redis.exceptions.AskError) and not getattr(error, "is_nodes", True):
        return f": it is a node of a cluster: write redis+cluster://host:port,host:port in {variable}"
    if isinstance(error, redis.exceptions.ClusterDownError) and "cluster is down" in str(error):
        others = "the others go on if most of them are there, and cluster-require-full-coverage is no"
        return f": a shard of the cluster in {variable} is away: {others}"
    return ""


def message(error: Exception) -> str:
    """Returns the error of Redis as one line that begins with its own first word, such as OOM or MOVED.

    redis-py takes that word off and keeps it in status_code; of a pipeline it puts the whole command before it, values
    included. The user's name, which is a part of the URL, is left out (R36).
    """
    text = " ".join(str(error).split()).rpartition(_IN_PIPELINE)[2]
    word = getattr(error, "status_code", None)
    if word and not text.startswith(word):
        text = f"{word} {text}".rstrip()
    return _USER.sub("this user has no permissions", text) or type(error).__name__
