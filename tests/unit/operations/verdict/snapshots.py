"""Snapshots of a service in which all is well but for what a test says, and what is found wrong with them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from publisher.domain.circuit import Gate
from publisher.domain.errors import PublisherError
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.verdict import Finding, Level
from publisher.streams.heartbeats import Process, ProcessSeen
from storage.counts.counts import OpenRoutes
from storage.counts.outstanding import Outstanding
from tests.factories import INSTANT

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AUDIT = 5 * MINUTE
FAILED, WARNING, OK = Level
BEHIND = "mail is 100,000 commands behind"


def seen(role: str, *, silent: timedelta = SECOND, up: timedelta = HOUR) -> ProcessSeen:
    process = Process(role, role, "web-1", 17, INSTANT - up, "0.1.0")
    return ProcessSeen(process, INSTANT - silent, silent)


RUNNING = [seen("clock"), seen("intake"), seen("worker")]
STORE = StoreSnapshot(INSTANT, ["email", "push"])
STREAMS = StreamsSnapshot(processes=RUNNING)


def due(count: int, oldest: timedelta = SECOND) -> OpenRoutes:
    return OpenRoutes(count, 0, count, oldest)


def without(role: str) -> StreamsSnapshot:
    return replace(STREAMS, processes=[each for each in RUNNING if each.process.role != role])


def routes(**open_routes: OpenRoutes) -> StoreSnapshot:
    return replace(STORE, open_routes=open_routes)


def gate(found: OpenRoutes = due(3), **fields: Any) -> StoreSnapshot:  # noqa: B008 - a value
    return replace(STORE, open_routes={"push": found}, gates={"push": Gate("push", **fields)})


def parked(reason: str, found: OpenRoutes = due(3)) -> StoreSnapshot:  # noqa: B008 - a value
    return gate(found, refused_batches=3, parked_at=INSTANT - MINUTE, park_reason=reason, probe_at=INSTANT)


def outstanding(**waiting: Any) -> StoreSnapshot:
    return replace(STORE, outstanding=Outstanding(**waiting))


def findings(
    store: StoreSnapshot | PublisherError = STORE, streams: StreamsSnapshot | PublisherError = STREAMS
) -> Sequence[Finding]:
    return judge(Snapshot(INSTANT, store, streams, ["email", "push"], AUDIT)).findings
