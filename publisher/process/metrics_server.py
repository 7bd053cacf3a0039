"""Serves counters to Prometheus (R25). A process whose counters cannot be served says so once, and works on."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = structlog.get_logger()


def serve_metrics(port: int, registry: "CollectorRegistry") -> None:
    """Serves the counters at http://0.0.0.0:port/metrics until the process ends. Port 0 serves nothing.

    A port that is taken is logged.
    """
    if port:
        try:
            _start(port, registry)
        except OSError as error:
            not_served(error, port)


def serve_shared_metrics(port: int, folder: Path) -> Callable[[], None]:
    """Serves the counters that worker processes share in this folder. Returns what ends that.

    Raises OSError if the port cannot be used.
    """
    import prometheus_client
    import prometheus_client.multiprocess

    registry = prometheus_client.CollectorRegistry()
    prometheus_client.multiprocess.MultiProcessCollector(registry, path=str(folder))
    return _start(port, registry)


def not_served(error: OSError, port: int) -> None:
    """Says why this process's counters are not served."""
    _log.warning("metrics are not served; the process works without them", port=port, error=str(error))


def _start(port: int, registry: "CollectorRegistry") -> Callable[[], None]:
    import prometheus_client

    server, thread = prometheus_client.start_http_server(port, registry=registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
