"""A collector of spans that speaks OTLP over HTTP, and keeps what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Exported:
    """A span as it was exported. process: the role of the process that made it. links: span ids."""

    process: str
    name: str
    trace_id: str
    span_id: str
    parent: str
    links: tuple[str, ...]
    is_failed: bool


class Collector:
    """What was exported, and every byte of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Exported] = []
        self.bodies: list[bytes] = []

    def named(self, name: str) -> list[Exported]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        """Keeps the spans of a request."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_exported(said["publisher.process"], span) for span in scope.spans]


def _exported(process: str, span: Any) -> Exported:
    links = tuple(link.span_id.hex() for link in span.links)
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    return Exported(process, span.name, *ids, links, span.status.code == 2)


@contextmanager
def otlp_collector(*, keeps: bool = True) -> Iterator[Collector]:
    """A collector on a port of its own. keeps: False forgets what it reads."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if keeps:
                collector.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
