"""Answers scrapes over HTTP, beside a process's work: whoever connects can neither hold it up nor use it up (R25)."""

import gzip
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = structlog.get_logger()
# Each takes a thread and a file descriptor. Further connections are closed at once.
AT_ONCE = 20
# Seconds in which the next part of a request has to come, or of an answer to be taken.
PATIENCE = 10.0


class _Handler(BaseHTTPRequestHandler):
    """Answers GET with the metrics, whatever the path, and with their length: a scrape that is cut short is seen."""

    server: "ScrapeServer"
    timeout = PATIENCE

    def do_GET(self) -> None:
        # It decides at its import whether counters are shared between processes.
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        body = encode(self.server.registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the standard library's name
        """Says nothing of a request."""


class ScrapeServer(socketserver.ThreadingMixIn, HTTPServer):
    """Serves the metrics of a registry at every address of this host, IPv6 where there is any, and IPv4."""

    daemon_threads = True

    def __init__(self, port: int, registry: "CollectorRegistry") -> None:
        """Listens, and answers nothing yet. Raises OSError if the port cannot be used."""
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self.address_family = socket.AF_INET6 if _has_ipv6() else socket.AF_INET
        self.registry = registry
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        """Binds the port, without asking the name service for this host's name, which may take long."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread, or closes the connection if too many are open."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # The system starts no further thread.
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the standard library's
        """Logs what a scrape ended with. Whose it was is left out: an address (R36)."""
        error = sys.exception()
        if isinstance(error, OSError):
            _log.debug("who scraped is gone, or says nothing", error=str(error))
        else:
            _log.exception("a scrape failed")


def _has_ipv6() -> bool:
    """True if one socket can serve IPv6 and IPv4 here."""
    if not socket.has_dualstack_ipv6():
        return False
    with socket.socket(socket.AF_INET6) as tried:
        try:
            tried.bind(("::", 0))
        except OSError:
            # The system has IPv6, and an administrator has switched it off.
            return False
    return True
