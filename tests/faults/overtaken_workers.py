"""The detectors of planted bugs in which a worker stalls before its append and another one goes ahead of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
import redis

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.publishing.publisher import Publisher
from publisher.streams.append_result import AppendResult, NotAppended
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.cancelling.cancellations import IncomingCancellation, cancel_intents
from storage.database import Database
from tests.faults.detectors import first_violation
from tests.faults.workload import Workload
from tests.faults.workload_intents import GOOD, IN_TIME, TAKEN_BACK
from tests.integration.publishers import InterruptedStreams, publisher


class Stalling(OutboundStreams):
    """The streams, with something that happens before an append, which may then be refused."""

    def __init__(self, client: redis.Redis, first: Callable[[], object], *, refused: bool = False) -> None:
        super().__init__(StreamServers(client), timedelta(hours=1))
        self._first, self._refused = first, refused

    def append(
        self, channel: Channel, deliveries: Sequence[Delivery], *args: Any, **options: Any
    ) -> list[AppendResult]:
        self._first()
        if self._refused:
            return [NotAppended("Redis refused")] * len(deliveries)
        return super().append(channel, deliveries, *args, **options)


def stale_worker(workload: Workload) -> str:
    """A worker stalls in its last attempt until its lease has run out and another is at work; then its append is
    refused, and it records that while the other has appended and not yet recorded."""
    appended, recorded = Event(), Event()

    def appended_by_second() -> None:
        appended.set()
        assert recorded.wait(10)

    def overtaken() -> None:
        workload.pass_time()
        overtaking.start()
        assert appended.wait(10)

    workload.reset([GOOD])
    workload.io.begin()
    with workload.process() as context:
        workload.take_in(context)
        workload.sql.execute("UPDATE routes SET max_attempts = 1")
        second = publisher(context.database, InterruptedStreams(context.redis, appended_by_second))
        overtaking = Thread(target=second.publish_due, args=("email",))
        publisher(context.database, Stalling(context.redis, overtaken, refused=True)).publish_due("email")
        if not _leased(workload):
            workload.errors.append("a worker lost its lease to one whose own had run out")
        recorded.set()
        overtaking.join()
        workload.publish()
    return first_violation(workload)


def late_append(workload: Workload) -> str:
    """A worker stalls before its append until its lease is over and another worker has expired its routes (R12)."""

    def ahead(other: Publisher, _: Database) -> None:
        workload.pass_time()
        other.end_routes("email")

    return _stalled(workload, IN_TIME, ahead)


def late_cancellation(workload: Workload) -> str:
    """A worker stalls before its append until its lease is over, and its producer has taken the intent back (R28)."""

    def ahead(other: Publisher, database: Database) -> None:
        workload.pass_time()
        cancel_intents(database, [asked])
        other.end_routes("email")

    asked = IncomingCancellation("9-0", (), Cancellation("game-service", TAKEN_BACK["idempotency_key"], None, None))
    return _stalled(workload, TAKEN_BACK, ahead)


def held_lease(workload: Workload) -> str:
    """A worker whose clock is an hour fast looks for work while another is about to append."""

    def ahead(fast: Publisher, _: Database) -> None:
        before = _leased(workload)
        with pytest.MonkeyPatch.context() as patch:
            whole = time.time
            patch.setattr(time, "time", lambda: whole() + 3600)
            fast.publish_due("email")
        if _leased(workload) != before:
            workload.errors.append("a lease was taken over before it had run out")

    return _stalled(workload, GOOD, ahead)


def _stalled(workload: Workload, intent: Mapping[str, Any], ahead: Callable[[Publisher, Database], None]) -> str:
    """A worker takes the intent's routes, and another one goes ahead of its append. Returns the first violation."""
    workload.reset([intent])
    workload.io.begin()
    with workload.process() as context:
        workload.take_in(context)
        other = publisher(context.database, OutboundStreams(StreamServers(context.redis), timedelta(hours=1)))
        stalling = Stalling(context.redis, lambda: ahead(other, context.database))
        publisher(context.database, stalling).publish_due("email")
        workload.publish()
    return first_violation(workload)


def _leased(workload: Workload) -> object:
    return workload.one("SELECT max(lease_token) FROM routes")
