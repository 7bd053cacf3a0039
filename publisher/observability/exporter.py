"""Exports the gauges of the newest snapshot to Prometheus (R25). Whoever scrapes waits for no server."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from publisher.domain.errors import DatabaseBusy, PublisherError, Unavailable
from publisher.observability import catalogue
from publisher.observability.gauges import Sample, gauges_of
from publisher.operations.snapshot.snapshot import Snapshot
from publisher.operations.snapshot.taking import Snapshots
from storage.database import Database
from storage.schema.schema import schema_state

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

_log = structlog.get_logger()
# How often a snapshot is taken.
INTERVAL = timedelta(seconds=5)
# A snapshot that takes long, since millions of routes are open, may take this share of the time.
_SHARE = 0.1
# But no rest is longer.
_LONGEST_REST = timedelta(seconds=30)
# Once the next snapshot is due for longer, the gauges tell nothing of now: they are left out, and only when the
# snapshot was taken is told.
_STALE = timedelta(minutes=1)


class GaugeExporter:
    """Takes snapshots, and exports the newest one.

    One thread takes them; any number may scrape meanwhile.
    """

    def __init__(
        self,
        database: Database,
        snapshots: Snapshots,
        registry: "CollectorRegistry",
        now: Callable[[], float] = time.monotonic,
        on_snapshot: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        """Adds the gauges to this registry.

        now: seconds of a clock that is never set back.
        on_snapshot: is given each snapshot, in the thread that took it.
        """
        self._now = now
        self._on_snapshot = on_snapshot
        self._database = database
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._samples: Sequence[Sample] = ()
        self._rest_until = float("-inf")
        registry.register(self)

    def start(self, stopping: threading.Event) -> None:
        """Takes snapshots in a thread of its own until `stopping` is set.

        A process that stops does not wait for it: a snapshot may wait for a slow server longer than R17 allows.
        """
        threading.Thread(target=self._run, args=(stopping,), name="snapshots", daemon=True).start()

    def refresh(self) -> None:
        """Takes a snapshot, unless the one before took so long that a rest is due. Raises nothing that a server causes.

        A server that cannot be read costs its own gauges alone.
        """
        begun = self._now()
        if begun < self._rest_until:
            return
        snapshot = self._snapshots.take()
        self._on_snapshot(snapshot)
        samples = [*gauges_of(snapshot), *self._schema()]
        ended = self._now()
        # Who waits for a server that is away burdens none: the next snapshot has what comes back first.
        work = 0.0 if _is_away(snapshot) else ended - begun
        rest = min(work * (1 / _SHARE - 1), _LONGEST_REST.total_seconds())
        with self._lock:
            self._samples, self._rest_until = samples, ended + rest

    def describe(self) -> Iterable["Metric"]:
        """Names nothing: what is exported depends on the snapshot."""
        return ()

    def collect(self) -> Iterator["Metric"]:
        """Yields the gauges of the newest snapshot, for a scrape."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        with self._lock:
            samples, late = self._samples, self._now() - self._rest_until
        if late > _STALE.total_seconds():
            samples = [sample for sample in samples if sample.gauge is catalogue.TAKEN]
        families: dict[str, GaugeMetricFamily] = {}
        for sample in samples:
            gauge = sample.gauge
            family = families.get(gauge.name)
            if family is None:
                family = families[gauge.name] = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            family.add_metric(sample.labels, sample.value)
        yield from families.values()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self.refresh()
            except Exception:  # noqa: BLE001 - the thread must survive a bug: without it no gauge would come again
                _log.exception("a snapshot failed and will be repeated")
            stopping.wait(INTERVAL.total_seconds())

    def _schema(self) -> Iterator[Sample]:
        try:
            state = schema_state(self._database)
        except PublisherError as error:
            _log.debug("the state of the schema was not read", error=str(error))
            return
        yield Sample(catalogue.MIGRATIONS, (), len(state.pending))
        yield Sample(catalogue.SCHEMA, (state.newest,), 1)


def _is_away(snapshot: Snapshot) -> bool:
    """Whether a server could not be read, and not because it is busy."""
    halves = (snapshot.store, snapshot.streams)
    return any(isinstance(half, Unavailable) and not isinstance(half, DatabaseBusy) for half in halves)
