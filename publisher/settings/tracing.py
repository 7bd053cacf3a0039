"""Reads from OpenTelemetry's own variables whether spans are asked for, and where they go. All else its SDK reads.

Other than OpenTelemetry's own default, nothing is exported unless a variable says so.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Protocol -> the exporter's name among installed packages. One that is not installed has no exporter there.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}

# Shorter texts stand in many words.
_SHORTEST_SECRET = 4


def read_span_exporters(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the names of the exporters that spans are asked to go to; none: tracing is off.

    environ: without blank variables. It is on if OTEL_TRACES_EXPORTER names exporters, or if an endpoint of OTLP is
    set; unless OTEL_SDK_DISABLED is true.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    asked = environ.get("OTEL_TRACES_EXPORTER", "otlp" if any(name in environ for name in _ENDPOINTS) else "none")
    names = [name.strip() for name in asked.split(",")]
    return tuple(_otlp(environ) if name == "otlp" else name for name in names if name not in ("", "none"))


def read_span_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what no log line may show of OpenTelemetry's variables (R36), the longest texts first.

    environ: without blank variables. Headers may hold tokens; an endpoint has passwords before its host, and tokens
    behind it.
    """
    texts = {text for name, value in environ.items() if name.startswith("OTEL_") for text in _secrets(name, value)}
    return tuple(sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=len, reverse=True))


def _secrets(name: str, value: str) -> Iterator[str]:
    if name.endswith("_HEADERS"):
        for header in value.split(","):
            # One that is not name=value is quoted whole.
            for text in (header, header.partition("=")[2]):
                yield from (text.strip(), unquote(text).strip(), *text.split(), *unquote(text).split())
    elif name.endswith("_ENDPOINT"):
        # A password may hold what ends a host, and gRPC's address has no scheme.
        user, at, rest = value.split("://", 1)[-1].rpartition("@")
        host, _, query = rest.partition("?")
        path = host.partition("/")[2].removesuffix("/")
        yield from (user + at, *user.split(":"), query, path if path != "v1/traces" else "")


def _otlp(environ: Mapping[str, str]) -> str:
    protocol = next((environ[name].strip() for name in _PROTOCOLS if name in environ), "http/protobuf")
    return _OTLP.get(protocol, f"otlp with the protocol {protocol}")
