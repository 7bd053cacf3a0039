"""Opens what makes spans, where the settings ask for it: nothing of OpenTelemetry is imported otherwise (R26)."""

from collections.abc import Iterable

import structlog

from publisher.process.spans import NO_SPANS, Spans

_log = structlog.get_logger()


def open_spans(exporters: Iterable[str], role: str) -> Spans:
    """Returns what makes spans and hands them to these exporters, and none if there are no exporters.

    exporters: names of OpenTelemetry's entry points `opentelemetry_traces_exporter`.
    role: of this process.
    Where they cannot be had, that is logged and tracing is off: nothing else depends on it.
    """
    names = tuple(exporters)
    if not names:
        return NO_SPANS
    try:
        from publisher.process.otel_spans import open_otel_spans
    except ImportError as error:
        _log.warning(
            "tracing is off: install the extra, pip install 'notification-publisher[otel]', or unset OTEL_*",
            error=str(error),
        )
        return NO_SPANS
    try:
        return open_otel_spans(names, role)
    except (LookupError, ValueError) as error:
        _log.warning("tracing is off: one of the variables OTEL_* cannot be used", error=str(error))
        return NO_SPANS
