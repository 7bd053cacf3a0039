"""When tracing is on, and where spans go, by OpenTelemetry's own variables (R26)."""

from collections.abc import Mapping

import pytest

from publisher.settings.tracing import read_span_exporters

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "mail"}, ()),
        (ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp_proto_http")),
        ({"OTEL_TRACES_EXPORTER": "none"} | ENDPOINT, ()),
        ({"OTEL_SDK_DISABLED": "TRUE"} | ENDPOINT, ()),
        ({"OTEL_SDK_DISABLED": "false"} | ENDPOINT, ("otlp_proto_http",)),
        (GRPC | ENDPOINT, ("otlp_proto_grpc",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"} | GRPC | ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"} | ENDPOINT, ("otlp with the protocol http/json",)),
    ],
)
def test_spans_go_where_the_variables_say(environ: Mapping[str, str], exporters: tuple[str, ...]) -> None:
    """Nothing is exported unless a variable says so."""
    assert read_span_exporters(environ) == exporters
