"""What goes wrong with tracing stops no work, and says nothing that it should not (R17, R26, R36)."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher.domain.traceparent import Traceparent
from publisher.process.otel_log import OtelLog, hear_sdk
from publisher.process.otel_spans import OtelSpans
from publisher.process.spans import NO_SPANS, Past
from publisher.process.tracing import open_spans
from tests.integration.publishers import logged

ROOT = Path(__file__).parent.parent.parent.parent
AT = Traceparent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)


@pytest.fixture(autouse=True)
def heard() -> Iterator[logging.Logger]:
    """The SDK's logger, as it is in a process that traces."""
    logger = logging.getLogger("opentelemetry")
    before = logger.handlers[:], logger.propagate, logger.level
    hear_sdk(())
    yield logger
    logger.handlers[:], logger.propagate, logger.level = before


def test_a_silent_collector_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stops waits two seconds for it, and not half a minute. Its threads take no signal (R17)."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
        before = set(threading.enumerate())
        spans = open_spans(["otlp_proto_http"], "worker")
        [exporting] = set(threading.enumerate()) - before
        with spans.batch("commit"):
            pass
        spans.close()
        assert exporting.is_alive()

        masks = Path(f"/proc/self/task/{exporting.native_id}/status").read_text()
        blocked = int(masks.split("SigBlk:")[1].split()[0], 16)
        assert blocked >> (signal.SIGTERM - 1) & 1
        silent.close()
    exporting.join(20)


def test_a_silent_collector_takes_nothing_from_another(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left goes to each exporter beside the others, however long one of them takes."""
    gone = threading.Event()

    class Silent(InMemorySpanExporter):
        def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
            gone.wait()
            return SpanExportResult.FAILURE

    monkeypatch.setattr("publisher.process.otel_spans._CLOSE_SECONDS", 0.5)
    spans = OtelSpans([Silent(), exporter], "worker")
    with spans.batch("commit"):
        pass
    spans.close()

    assert [span.name for span in exporter.get_finished_spans()] == ["commit"]
    gone.set()


@pytest.mark.parametrize(
    ("exporters", "environ"),
    [
        (["nobody"], {}),
        (["otlp_proto_http"], {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}),
        # AttributeError when it is loaded, TypeError when it is made.
        (["absent"], {}),
        (["unfit"], {}),
    ],
)
def test_bad_variables_turn_tracing_off(
    exporters: list[str], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log says so, and the mail goes out: nothing depends on tracing, nor on what an exporter raises."""
    package = tmp_path / "broken_exporters-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: broken-exporters\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[opentelemetry_traces_exporter]\nabsent = json:absent\nunfit = json:loads\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    with logged() as events:
        assert open_spans(exporters, "worker") is NO_SPANS

    assert [e["event"] for e in events][-1:] == ["tracing is off: one of the variables OTEL_* cannot be used"]


def test_a_sampler_that_fails_stops_no_work(spans: OtelSpans, exporter: InMemorySpanExporter) -> None:
    """A sampler may be anybody's. What it fails for has no span, and the next span has an id of its own."""
    sampler = spans._tracer.sampler
    with logged() as events:
        spans._tracer.sampler = None
        spans.past([Past("route", AT.child("00000000000000aa"), AT, time.monotonic())])
        with spans.batch("publish email") as batch:
            batch.link([AT])
        spans._tracer.sampler = sampler
        with spans.batch("publish email"):
            pass
        spans.close()

    [made] = exporter.get_finished_spans()
    assert made.context.span_id != 0xAA
    assert [e["said"] for e in events] == ["A span could not be made."]


def test_the_sdk_is_heard_once_a_minute(heard: logging.Logger) -> None:
    """It warns of every export that fails, for as long as a collector is away."""
    now = [0.0]
    heard.handlers[:] = [OtelLog(["s3cret"], clock=lambda: now[0])]
    with logged() as events:
        for at in (0, 1, 59, 60):
            now[0] = at
            heard.error("no collector at %s", "http://me:s3cret@collector", exc_info=ValueError("s3cret"))

    assert [(e["said"], e.get("left_out")) for e in events] == [
        ("no collector at http://me:***@collector", None),
        ("no collector at http://me:***@collector", 2),
    ]
    assert {e["error"] for e in events} == {"ValueError: ***"}


WITHOUT = """
import importlib, json, sys
if sys.argv[1] == "missing":
    sys.modules["opentelemetry"] = None
from publisher.environment import load_settings
from publisher.bootstrap import install_context
context = install_context(load_settings(), "worker")
import publisher.cli.mailer.run, publisher.cli.intake, publisher.mail_process
# redis-py imports what it finds of OpenTelemetry's metrics, whether or not anybody asks for them.
parts = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "publisher.process.otel_spans")
print(json.dumps([context.telemetry.spans.is_on, [part for part in parts if part in sys.modules]]))
"""


@pytest.mark.parametrize("how", ["unasked", "missing"])
def test_without_it_nothing_of_it_is_imported(how: str, environ: dict[str, str]) -> None:
    """Who does not trace pays nothing; who asks for it without the extra reads what to install, and is served."""
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"} if how == "missing" else {}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, how],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ, **asked},
        check=True,
    )

    assert json.loads(done.stdout.splitlines()[-1]) == [False, []]
    assert ("pip install 'notification-publisher[otel]'" in done.stdout + done.stderr) == (how == "missing")
