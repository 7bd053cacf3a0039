"""Serves counters to Prometheus (R25). A process whose counters cannot be served says so once, and works on."""

import errno
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

_log = structlog.get_logger()
# Processes of one host are told the same port: each takes the first of so many, counted up from it, that is free.
PORTS = 20
_HIGHEST = 65_535


def serve_metrics(port: int, registry: "CollectorRegistry") -> int:
    """Serves the counters at http://HOST:port/metrics, or the next free port, until the process ends.

    Returns and logs the port that it got; 0 if `port` is 0 or no port was free, which is logged.
    """
    import prometheus_client

    if not port:
        return 0
    # Its CPU and memory; on systems other than Linux it adds nothing.
    prometheus_client.ProcessCollector(registry=registry)
    try:
        got, _ = _start(port, registry)
    except OSError as error:
        not_served(error, port)
        return 0
    served(got)
    return got


def serve_shared_metrics(port: int, folder: Path) -> tuple[int, Callable[[], None]]:
    """Serves the counters that worker processes share in this folder. Returns the port it got, and what ends that.

    Raises OSError if none of the ports can be used.
    """
    import prometheus_client
    import prometheus_client.multiprocess

    registry = prometheus_client.CollectorRegistry()
    registry.register(_Shared(prometheus_client.multiprocess.MultiProcessCollector(None, path=str(folder))))
    return _start(port, registry)


class _Shared:
    """Collects what the workers count in their files. collector: the client's own, which reads all of them at once."""

    def __init__(self, collector: "Collector") -> None:
        self._collector = collector

    def describe(self) -> Iterable["Metric"]:
        """Names nothing: what there is depends on the files."""
        return ()

    def collect(self) -> Iterable["Metric"]:
        """Returns the sums. Reads again if a worker is just making a file, which is empty for some microseconds."""
        try:
            return self._collector.collect()
        except struct.error:
            return self._collector.collect()


def served(port: int) -> None:
    """Says where this process's counters are served."""
    _log.info("counters are served", port=port)


def not_served(error: OSError, port: int) -> None:
    """Says why this process's counters are not served. port: the first of those that were tried."""
    _log.warning(
        "metrics are not served; the process works without them", port=port, ports_tried=PORTS, error=str(error)
    )


def _start(first: int, registry: "CollectorRegistry") -> tuple[int, Callable[[], None]]:
    """Serves on the first free port. Raises OSError if there is none, or if a port cannot be used for another reason.

    Binding is the test: of two processes that start at once one gets the port, and the other tries the next.
    """
    last = min(first + PORTS - 1, _HIGHEST)
    for port in range(first, last + 1):
        try:
            return port, _listen(port, registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == last:
                raise
    raise AssertionError("the last port returns or raises")


def _listen(port: int, registry: "CollectorRegistry") -> Callable[[], None]:
    from publisher.process.scrape_server import ScrapeServer

    server = ScrapeServer(port, registry)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
