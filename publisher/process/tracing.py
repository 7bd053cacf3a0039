"""Opens what makes spans, where the settings ask for it: nothing of OpenTelemetry is imported otherwise (R26)."""

from collections.abc import Iterable, Sequence

import structlog

from publisher.process.otel_log import hear_sdk, without
from publisher.process.spans import NO_SPANS, Spans

_log = structlog.get_logger()


def open_spans(exporters: Iterable[str], role: str, secrets: Sequence[str] = ()) -> Spans:
    """Returns what makes spans and hands them to these exporters, and none if there are no exporters.

    exporters: names of OpenTelemetry's entry points `opentelemetry_traces_exporter`.
    role: of this process.
    secrets: what no line of the SDK may show (R36), the longest ones first.
    Where they cannot be had, that is logged and tracing is off: nothing else depends on it.
    """
    names = tuple(exporters)
    if not names:
        return NO_SPANS
    hear_sdk(secrets)
    try:
        from publisher.process.otel_spans import open_otel_spans

        return open_otel_spans(names, role)
    except ImportError as error:
        reason = "install the extra, pip install 'notification-publisher[otel]', or unset OTEL_*"
        wrong: Exception = error
    except Exception as error:  # noqa: BLE001 - the SDK, its plugins and any exporter raise whatever they like
        reason = "one of the variables OTEL_* cannot be used"
        wrong = error
    _log.warning(f"tracing is off: {reason}", error=without(secrets, f"{type(wrong).__name__}: {wrong}"))
    return NO_SPANS
