"""When tracing is on, and where spans go, by OpenTelemetry's own variables (R26)."""

from collections.abc import Mapping

import pytest

from publisher.process.otel_log import without
from publisher.settings.tracing import read_span_exporters, read_span_secrets

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


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret", "refused: Bearer s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%0As3cret", r"no such value: 'Bearer\ns3cret'"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-team=blue, Authorization s3cret", "no header: Authorization s3cret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:s3cret@collector:4318", "no route to https://me:s3cret@collector"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://me:s3cret/?@collector:4318",
            "no host in https://me:s3cret/?@collector",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "me:s3cret@collector:4317", "no answer of me:s3cret@collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector/?token=s3cret", "url: /?token=s3cret/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/in/s3cret/", "url: /in/s3cret/"),
    ],
)
def test_no_line_of_the_log_shows_a_token(variable: str, value: str, said: str) -> None:
    """Neither the headers' values nor a password, a path or a query of the endpoint (R36)."""
    assert "s3cret" not in without(read_span_secrets({variable: value}), said)


def test_what_is_no_secret_is_shown() -> None:
    """The operator reads which host refused, and why."""
    said = "POST http://collector:4318/v1/traces: 401 Unauthorized"
    secrets = read_span_secrets({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces", **GRPC})

    assert without(secrets, said) == said
