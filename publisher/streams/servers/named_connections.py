"""Connections to Redis whose errors name the server, and which tell when the server answers."""

import ssl
from collections.abc import Callable
from typing import Any

import redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from publisher.streams.servers.connection_errors import (
    Announced,
    RedisPlace,
    address,
    broken_connection,
    missing_database,
    no_primary,
    refused_connection,
)
from publisher.streams.servers.sentinels import NoPrimary

_FAULTS = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse)
# The server answers, but cannot serve now. Its own words say it, and they are kept.
_OWN_WORDS = (redis.exceptions.BusyLoadingError, redis.exceptions.MasterDownError, redis.exceptions.ClusterDownError)


class CannotConnect(redis.ConnectionError):
    """No connection was established. The text says why, where, and what to do."""


class ConnectionLost(redis.ConnectionError):
    """An established connection broke, or an answer did not come in time. The text says where."""


class _Named:
    """What the kinds of connection below have in common. The security of a connection stands in its errors."""

    security = "no TLS"

    def __init__(
        self,
        *arguments: Any,
        variable: str = "REDIS_URL",
        announced: Announced | None = None,
        on_answer: Callable[[], None] | None = None,
        on_fault: Callable[[redis.RedisError], None] | None = None,
        **options: Any,
    ) -> None:
        """variable: the setting that names the server.

        announced: who told its address; None: it stands in the setting.
        on_answer: called after each answer that is no error; None: nobody asks.
        on_fault: called with the error when the server is away, or no longer has the key's slot; None: nobody asks.
        """
        super().__init__(*arguments, **options)
        self.variable = variable
        self.announced = announced
        self._on_answer = on_answer
        self._on_fault = on_fault
        self._is_connecting = False

    @property
    def place(self) -> RedisPlace:
        """Where the connection leads, for its errors."""
        own: Any = self
        where = address(own.host, own.port) if hasattr(own, "port") else own._host_error()
        return RedisPlace(where, self.security, own.socket_timeout, self.variable, self.announced)

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connects and logs in, as redis-py does. Raises CannotConnect for every fault of that."""
        own: Any = self
        if own._sock:
            return
        self._is_connecting = True
        try:
            super().connect_check_health(*arguments, **options)  # type: ignore[misc]
        except _OWN_WORDS as error:
            self._noted(error)
            raise
        except _FAULTS as error:
            raise self._noted(CannotConnect(refused_connection(error, self.place))) from error
        except redis.ResponseError as error:
            if "DB index" not in str(error):
                raise
            raise redis.ResponseError(missing_database(error, self.place)) from error
        finally:
            self._is_connecting = False

    def can_read(self, *arguments: Any, **options: Any) -> bool:
        """Returns whether an answer has come, as redis-py does. Raises ConnectionLost if the server has closed it."""
        try:
            return bool(super().can_read(*arguments, **options))  # type: ignore[misc]
        except CannotConnect:
            raise
        except redis.ConnectionError as error:
            raise self._own(ConnectionLost(broken_connection(error, self.place))) from error

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Reads an answer, as redis-py does. Raises ConnectionLost if it does not come.

        A connection to a server that has become a replica is not used again: its name may lead to another one by now.
        """
        try:
            answer = super().read_response(*arguments, **options)  # type: ignore[misc]
        except (*_OWN_WORDS, redis.exceptions.AskError, redis.exceptions.TryAgainError) as error:
            self._noted(error)
            raise
        except redis.exceptions.ReadOnlyError as error:
            own: Any = self
            own.mark_for_reconnect()
            self._noted(error)
            raise
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if self._is_connecting:
                raise
            raise self._noted(ConnectionLost(broken_connection(error, self.place))) from error
        except redis.ResponseError as error:
            self._own(error)
            raise
        if self._on_answer is not None:
            self._on_answer()
        return answer

    def _noted(self, error: redis.RedisError) -> redis.RedisError:
        """Tells of the fault. Returns the error, as `_own` does."""
        if self._on_fault is not None:
            self._on_fault(error)
        return self._own(error)

    def _own(self, error: redis.RedisError) -> redis.RedisError:
        """Returns the error, which says whose it is (see `connection.translated`), and whether that is a node's."""
        error.variable = self.variable  # type: ignore[attr-defined]
        error.is_nodes = self._on_fault is not None  # type: ignore[attr-defined]
        return error


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


class _ToPrimary:
    """A connection that asks Sentinels where it leads."""

    def connect(self) -> None:
        """Connects to the primary. Raises CannotConnect if no Sentinel names one, and for every other fault."""
        own: Any = self
        try:
            super().connect()  # type: ignore[misc]
        except NoPrimary as error:
            pool = own.connection_pool
            asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
            addresses = [address(at["host"], at["port"]) for at in asked]
            told = no_primary(pool.service_name, addresses, own.variable, error.refusal, error.fault)
            raise own._noted(CannotConnect(told)) from error


class NamedPrimaryConnection(_ToPrimary, _Named, SentinelManagedConnection):
    """Over TCP, to the primary that Sentinels name."""


class NamedPrimaryTlsConnection(_ToPrimary, NamedTlsConnection, SentinelManagedSSLConnection):
    """Over TCP and TLS, to the primary that Sentinels name."""


def connection_class(url: str) -> type[_Named]:
    """Returns the class for the scheme of this URL."""
    if url.startswith("rediss://"):
        return NamedTlsConnection
    return NamedSocketConnection if url.startswith("unix://") else NamedConnection
