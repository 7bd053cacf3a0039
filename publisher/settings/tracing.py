"""Reads from OpenTelemetry's own variables whether spans are asked for, and where they go. All else its SDK reads.

Other than OpenTelemetry's own default, nothing is exported unless a variable says so.
"""

from collections.abc import Mapping

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Protocol -> the exporter's name among installed packages. One that is not installed has no exporter there.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


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


def _otlp(environ: Mapping[str, str]) -> str:
    protocol = next((environ[name].strip() for name in _PROTOCOLS if name in environ), "http/protobuf")
    return _OTLP.get(protocol, f"otlp with the protocol {protocol}")
