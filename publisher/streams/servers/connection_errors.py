"""Words why a connection to Redis failed: the cause, the host and port, whether TLS was used, and what to do.

A password never stands in these texts, nor a user's name (R36).
"""

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

_CORRECT = "see that Redis runs there, or correct REDIS_URL"
_REACHED = "see that Redis runs there, and that this machine reaches it: a failover takes seconds; if it cannot,"
_NO_TLS_HERE = (
    "if this port takes no TLS, write redis:// in the place of rediss:// in REDIS_URL; if it does, see that Redis runs"
)
_ANOTHER_SERVER = (
    "if this port expects TLS, write rediss:// in the place of redis:// in REDIS_URL; otherwise see that it is the port"
    " of Redis, and not of another server"
)
_UNVERIFIED = "or set PUBLISHER_REDIS_TLS=insecure, which verifies no certificate"
# The first byte of a TLS alert, as redis-py quotes it.
_TLS_ALERT = re.compile(r"\\x1[5-7]")
_WEB_SERVER = re.compile(r"""["'](?:H|<)""")


@dataclass(frozen=True, slots=True)
class Announced:
    """Says that an address stands in no setting: servers have told it, and they may have to tell another one.

    by: who told it.
    other: how they tell another one. name: how they tell a name.
    """

    by: str
    other: str
    name: str

    @property
    def reached(self) -> str:
        """What to do where this machine may not reach the address."""
        return f"{self.by}: {_REACHED} {self.other}"


BY_NODES = Announced(
    "the nodes of REDIS_URL announce this address",
    "set cluster-announce-ip there",
    "set cluster-announce-hostname there, and cluster-preferred-endpoint-type to hostname",
)
BY_SENTINELS = Announced(
    "the Sentinels of REDIS_URL name this address",
    "write another one into their sentinel monitor, and into replica-announce-ip of each Redis",
    "set resolve-hostnames and announce-hostnames to yes in the Sentinels, and write it into their sentinel monitor and"
    " into replica-announce-ip of each Redis",
)


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Where a connection leads.

    address: host and port, or the path of a socket.
    security: `no TLS`, `TLS, certificate verified` or `TLS, certificate not verified`.
    seconds: how long a connection waits for an answer.
    variable: the setting that names the server.
    announced: who told the address; None: it stands in the setting.
    """

    address: str
    security: str
    seconds: float
    variable: str = "REDIS_URL"
    announced: Announced | None = None

    @property
    def uses_tls(self) -> bool:
        """Whether the connection begins with a TLS handshake."""
        return self.security.startswith("TLS")

    def told(self, cause: str, advice: str = "") -> str:
        """Returns the cause, the place, and the advice if there is one, on one line."""
        told = f"{cause} ({self.address}, {self.security})" + (f": {advice}" if advice else "")
        return told.replace("REDIS_URL", self.variable)


def address(host: str, port: int) -> str:
    """Returns host and port as one text; an address of IPv6 has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def no_primary(name: str, sentinels: Sequence[str], variable: str, refusal: str, fault: str = "") -> str:
    """Words that no Sentinel knows a primary of this name that is up.

    refusal: what one of them said that refused to tell; blank: none refused.
    fault: why one of them could not be asked, where none could be; blank: one could.
    """
    asked = f"no Sentinel names a primary {name!r}: {', '.join(sentinels)}"
    if "unknown command" in refusal.lower():
        return f"{asked}: what answers is no Sentinel: name hosts and ports of Sentinels in {variable}"
    if refusal:
        login = "sentinel_username and sentinel_password"
        return f"{asked}: one refused: {refusal}: see that the options {login} of {variable} are those of the Sentinels"
    told = f"no Sentinel names a primary {name!r} that is up (asked: {', '.join(sentinels)})"
    if fault:
        return f"{told}: none of them could be asked: {fault}"
    return f"{told}: see that they run and watch this name, or correct {variable}; a failover takes seconds"


def refused_connection(error: Exception, place: RedisPlace) -> str:
    """Words the error of a connection that was not established, or that was closed before its first answer."""
    origin = next(_origins(error), None)
    if origin is None:
        return place.told(*_answered(error, place))
    if isinstance(origin, ssl.SSLCertVerificationError):
        return place.told(*_certificate(origin, place.announced))
    if isinstance(origin, socket.gaierror):
        return place.told("the host name is unknown", _unknown_name(place.announced))
    if isinstance(origin, ssl.SSLError):
        return place.told(*_handshake(origin))
    if isinstance(origin, TimeoutError):
        return place.told(*_timeout(error, origin, place))
    if isinstance(origin, ConnectionResetError | BrokenPipeError):
        return place.told(*_closed(place))
    correct = place.announced.reached if place.announced else _CORRECT
    return place.told(_lower(origin.strerror or type(origin).__name__), correct)


def missing_database(error: redis.ResponseError, place: RedisPlace) -> str:
    """Words the error of a login whose database number Redis does not have."""
    return place.told(f"{error}", "lower the database number at the end of REDIS_URL, or raise databases in Redis")


def broken_connection(error: Exception, place: RedisPlace) -> str:
    """Words the error of a connection that had been established."""
    if isinstance(error, redis.TimeoutError):
        return place.told(f"timeout: no answer within {place.seconds:g} s", "Redis or the network is slow, or stalled")
    origin = next(_origins(error), None)
    if origin is not None and origin.strerror:
        return place.told(f"the connection broke: {_lower(origin.strerror)}")
    text = " ".join(str(error).split()).rstrip(".")
    return place.told("the server closed the connection" if text == "Connection closed by server" else text)


def _origins(error: BaseException) -> Iterator[OSError]:
    """Yields the errors of the operating system and of OpenSSL that redis-py has translated."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            yield cause
        cause = cause.__cause__ or cause.__context__


def _answered(error: Exception, place: RedisPlace) -> tuple[str, str]:
    """The cause and the advice where no call of the operating system failed: the server said something, or closed."""
    text = " ".join(str(error).split())
    if isinstance(error, redis.exceptions.AuthenticationError):
        return _login(text)
    if "max number of clients" in text:
        return "ERR max number of clients reached", "raise maxclients in Redis, or run fewer processes"
    if isinstance(error, redis.exceptions.InvalidResponse):
        return _another_protocol(text)
    if isinstance(error, redis.TimeoutError):
        return _timeout(error, error, place)
    if "closed by server" in text:
        return _closed(place)
    return text or type(error).__name__, ""


def _closed(place: RedisPlace) -> tuple[str, str]:
    cause = "the server closed the connection without an answer"
    return cause, _NO_TLS_HERE if place.uses_tls else _ANOTHER_SERVER


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _unknown_name(announced: Announced | None) -> str:
    if announced is None:
        return "correct it in REDIS_URL, or see that this machine can resolve it"
    return f"{announced.by}: see that this machine can resolve it; if it cannot, {announced.other}"


def _certificate(error: ssl.SSLCertVerificationError, announced: Announced | None) -> tuple[str, str]:
    reason = str(error.verify_message).rstrip(".")
    if "mismatch" in reason.lower():
        cause = f"the certificate of Redis is for another name: {reason}"
        if announced is not None:
            return cause, f"{announced.by}: for the name that the certificate holds {announced.name}, {_UNVERIFIED}"
        return cause, f"write the name that its certificate holds into REDIS_URL, {_UNVERIFIED}"
    if "expired" in reason or "not yet valid" in reason:
        return f"the certificate of Redis is not valid now: {reason}", f"renew it, {_UNVERIFIED}"
    cause = f"the certificate of Redis is not trusted: {reason}"
    return cause, f"name the file of its authority in PUBLISHER_REDIS_CA_FILE, {_UNVERIFIED}"


def _handshake(error: ssl.SSLError) -> tuple[str, str]:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer" in reason or "http request" in reason:
        return "the server does not speak TLS on this port", "write redis:// in the place of rediss:// in REDIS_URL"
    if "certificate" in reason and "required" in reason:
        return "the server demands a certificate of its clients", "turn that off: set tls-auth-clients no in Redis"
    if "no certificate or crl" in reason:
        return "the file of the authority holds no certificate", "correct PUBLISHER_REDIS_CA_FILE"
    return f"the TLS handshake failed: {reason}", _NO_TLS_HERE


def _login(text: str) -> tuple[str, str]:
    text = text.rstrip(".")
    if "without any password" in text or "no password is set" in text:
        return "Redis has no password, and REDIS_URL has one", "take it out of REDIS_URL, or set it in Redis"
    if "required" in text.lower():
        return "NOAUTH Redis demands a password, and REDIS_URL has none", "write it into REDIS_URL, after a colon"
    return f"WRONGPASS {text.removeprefix('WRONGPASS ')}", "correct the user name and password in REDIS_URL"


def _another_protocol(text: str) -> tuple[str, str]:
    if _TLS_ALERT.search(text):
        advice = "write rediss:// in the place of redis:// in REDIS_URL"
        return "the server speaks TLS on this port, and REDIS_URL asks for none", advice
    if _WEB_SERVER.search(text):
        return "a web server answers on this port, and not Redis", "correct the host and port in REDIS_URL"
    return "another server than Redis answers on this port", "correct the host and port in REDIS_URL"


def _timeout(error: Exception, origin: BaseException, place: RedisPlace) -> tuple[str, str]:
    waited = f"within {place.seconds:g} s"
    if "handshake" in str(origin):
        return f"timeout: no answer to the TLS handshake {waited}", _NO_TLS_HERE
    if "connecting" in str(error):
        advice = (
            "see that the host is up, that no firewall drops the connection, and that REDIS_URL names the right one"
        )
        if place.announced is not None:
            advice = place.announced.reached
        return f"timeout: the host did not take the connection {waited}", advice
    cause = f"timeout: the server took the connection and did not answer {waited}"
    return cause, "Redis is stalled, or this is not its port: see that host and port in REDIS_URL are those of Redis"
