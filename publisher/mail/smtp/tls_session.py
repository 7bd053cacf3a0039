"""Tells of the TLS of a connection: its version, and the server's certificate."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class TlsSession:
    """The TLS of an open connection.

    version: such as TLSv1.3.
    names: those that the certificate is for.
    ends_at: when the certificate is no longer valid.
    """

    version: str
    names: tuple[str, ...]
    ends_at: datetime


def tls_session(transport: asyncio.Transport) -> TlsSession | None:
    """Returns the TLS of the transport, whose certificate was verified; None: there is none."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    if tls is None or not certificate:
        return None
    names = tuple(str(pair[1]) for pair in certificate.get("subjectAltName", ()))
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return TlsSession(tls.version() or "TLS", names, ends_at)
