"""Opens Redis clients, and translates redis-py's errors into the service's own."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from publisher.domain.errors import RedisRefused, RedisUnavailable, SettingsError
from publisher.streams.command_packer import CommandPacker
from publisher.streams.named_connections import connection_class

# The server answers, but cannot serve now: the same command may succeed later.
_PASSING = (
    redis.exceptions.BusyLoadingError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    redis.exceptions.MaxConnectionsError,
)
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
) -> redis.Redis:
    """Opens a client that connects on first use. It waits `timeout` for a reply, and repeats no command by itself.

    tls: `verify` checks the server's certificate, against ca_file if that is given; `insecure` does not.
    on_answer: called after each answer that is no error; None: nobody asks.
    Raises SettingsError if redis-py does not understand the URL.
    """
    options: dict[str, object] = {}
    if url.startswith("rediss://"):
        options["ssl_cert_reqs"] = ssl.CERT_NONE if tls == "insecure" else ssl.CERT_REQUIRED
        options["ssl_check_hostname"] = tls != "insecure"
        if ca_file:
            options["ssl_ca_certs"] = ca_file
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=timeout.total_seconds(),
            socket_connect_timeout=timeout.total_seconds(),
            # Repeating is each operation's own matter: XADD must not be repeated, the append-once script may.
            retry=Retry(NoBackoff(), 0),
            client_name=client_name,
            # Nobody reads what redis-py would say of itself, and Redis before 7.2 does not know the command.
            driver_info=None,
            connection_class=connection_class(url),
            on_answer=on_answer,
            command_packer=CommandPacker(),
            **options,
        )
    except ValueError:
        # Without its reason, which a traceback would show: it may quote a password that was taken for a port.
        raise SettingsError("REDIS_URL is no URL that Redis understands") from None


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's errors into RedisUnavailable and RedisRefused."""
    try:
        yield
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, *_PASSING) as error:
        raise RedisUnavailable(f"Redis is not available: {message(error)}") from error
    except redis.exceptions.RedisError as error:
        raise RedisRefused(f"Redis refused: {message(error)}") from error


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
