"""Connections to Redis whose errors name the server, and which tell when the server answers."""

import ssl
from collections.abc import Callable
from typing import Any

import redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from publisher.streams.connection_errors import (
    RedisPlace,
    broken_connection,
    missing_database,
    refused_connection,
)

_FAULTS = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse)
# The server answers, but cannot serve now. Its own words say it, and they are kept.
_OWN_WORDS = (redis.exceptions.BusyLoadingError, redis.exceptions.MasterDownError, redis.exceptions.ClusterDownError)


class CannotConnect(redis.ConnectionError):
    """No connection was established. The text says why, where, and what to do."""


class ConnectionLost(redis.ConnectionError):
    """An established connection broke, or an answer did not come in time. The text says where."""


class _Named:
    """What the three kinds of connection below have in common. The security of a connection stands in its errors."""

    security = "no TLS"

    def __init__(self, *arguments: Any, on_answer: Callable[[], None] | None = None, **options: Any) -> None:
        """on_answer: called after each answer that is no error; None: nobody asks."""
        super().__init__(*arguments, **options)
        self._on_answer = on_answer
        self._is_connecting = False

    @property
    def place(self) -> RedisPlace:
        """Where the connection leads, for its errors."""
        own: Any = self
        return RedisPlace(own._host_error(), self.security, own.socket_timeout)

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connects and logs in, as redis-py does. Raises CannotConnect for every fault of that."""
        own: Any = self
        if own._sock:
            return
        self._is_connecting = True
        try:
            super().connect_check_health(*arguments, **options)  # type: ignore[misc]
        except _OWN_WORDS:
            raise
        except _FAULTS as error:
            raise CannotConnect(refused_connection(error, self.place)) from error
        except redis.ResponseError as error:
            if "DB index" not in str(error):
                raise
            raise redis.ResponseError(missing_database(error, self.place)) from error
        finally:
            self._is_connecting = False

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Reads an answer, as redis-py does. Raises ConnectionLost if it does not come."""
        try:
            answer = super().read_response(*arguments, **options)  # type: ignore[misc]
        except _OWN_WORDS:
            raise
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if self._is_connecting:
                raise
            raise ConnectionLost(broken_connection(error, self.place)) from error
        if self._on_answer is not None:
            self._on_answer()
        return answer


class NamedConnection(_Named, Connection):
    """Over TCP."""


class NamedTlsConnection(_Named, SSLConnection):
    """Over TCP and TLS."""

    @property
    def security(self) -> str:  # type: ignore[override]
        """Whether the certificate is verified."""
        return "TLS, certificate not verified" if self.cert_reqs == ssl.CERT_NONE else "TLS, certificate verified"


class NamedSocketConnection(_Named, UnixDomainSocketConnection):
    """Over a Unix socket."""

    security = "Unix socket"


def connection_class(url: str) -> type[_Named]:
    """Returns the class for the scheme of this URL."""
    if url.startswith("rediss://"):
        return NamedTlsConnection
    return NamedSocketConnection if url.startswith("unix://") else NamedConnection
