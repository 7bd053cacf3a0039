"""What the suite does to the service to find a bug: each layer returns what it saw, or nothing."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
import redis

from publisher.domain.channel import Channel
from publisher.streams.append_result import AppendResult, NotAppended
from publisher.streams.outbound import Delivery, OutboundStreams
from tests.factories import CHANNELS
from tests.faults.crash_points import How, Point
from tests.faults.workload import SEED, Scene
from tests.faults.workload_intents import GOOD
from tests.integration.publishers import InterruptedStreams, publisher

Layer = Callable[[Scene], str]


class Stalling(OutboundStreams):
    """The streams, with something that happens before an append, which may then be refused."""

    def __init__(self, client: redis.Redis, first: Callable[[], object], *, refused: bool = False) -> None:
        super().__init__(client, timedelta(hours=1))
        self._first, self._refused = first, refused

    def append(
        self, channel: Channel, deliveries: Sequence[Delivery], *args: Any, **options: Any
    ) -> list[AppendResult]:
        self._first()
        if self._refused:
            return [NotAppended("Redis refused")] * len(deliveries)
        return super().append(channel, deliveries, *args, **options)


def crash_points(scene: Scene) -> str:
    """A crash after every single I/O, until something is seen. (After one is before the next.)"""
    return _every_point(scene, How.CRASH_AFTER)


def lost_replies(scene: Scene) -> str:
    """The reply of every single I/O lost, with the process alive, until something is seen."""
    return _every_point(scene, How.CUT_AFTER)


def _every_point(scene: Scene, how: How) -> str:
    scene.after()
    for number in _mixed(scene.wire.done):
        if found := scene.after(Point(number, how)):
            return f"{scene.story[0]}: {found[0]}"
    return ""


def _mixed(done: Sequence[str]) -> list[int]:
    """The numbers of these I/Os by chance, but one of each kind first, then a second of each, and so on."""
    numbers = list(range(len(done)))
    random.Random(SEED).shuffle(numbers)
    seen: Counter[str] = Counter()
    turns = {}
    for number in numbers:
        turns[number] = seen[done[number]]
        seen[done[number]] += 1
    return sorted(numbers, key=turns.__getitem__)


def refused_once(scene: Scene) -> str:
    """Each stream refuses its first append."""
    scene.reset([GOOD])
    scene.attempts = dict.fromkeys(scene.expected.routes, 1)
    scene.wire.begin()
    with scene.process() as context:
        scene.take_in(context)
        for channel in CHANNELS.values():
            scene.redis.set(channel.stream, "of another type")
            scene.scan(channel.name)
            scene.redis.delete(channel.stream)
        scene.make_due()
        scene.publish()
    return _first(scene)


def lost_data(scene: Scene) -> str:
    """Redis forgets everything once all is published, and the audit looks."""
    scene.reset([GOOD])
    scene.wire.begin()
    with scene.process() as context:
        from actors.maintenance import audit_published

        scene.take_in(context)
        scene.publish()
        scene.redis.flushdb()
        for channel in CHANNELS:
            audit_published.fn(channel)
        scene.publish()
    return _first(scene)


def stale_worker(scene: Scene) -> str:
    """A worker stalls in its last attempt until its lease has run out and another is at work; then its append is
    refused, and it records that while the other has appended and not yet recorded."""
    appended, recorded = Event(), Event()

    def appended_by_second() -> None:
        appended.set()
        assert recorded.wait(10)

    def overtaken() -> None:
        scene.pass_time()
        overtaking.start()
        assert appended.wait(10)

    scene.reset([GOOD])
    scene.wire.begin()
    with scene.process() as context:
        scene.take_in(context)
        scene.sql.execute("UPDATE routes SET max_attempts = 1")
        second = publisher(context.database, InterruptedStreams(context.redis, appended_by_second))
        overtaking = Thread(target=second.publish_due, args=("email",))
        publisher(context.database, Stalling(context.redis, overtaken, refused=True)).publish_due("email")
        if not _leased(scene):
            scene.errors.append("a worker lost its lease to one whose own had run out")
        recorded.set()
        overtaking.join()
        scene.publish()
    return _first(scene)


def held_lease(scene: Scene) -> str:
    """A worker whose clock is an hour fast looks for work while another is about to append."""

    def look() -> None:
        before = _leased(scene)
        with pytest.MonkeyPatch.context() as patch:
            whole = time.time
            patch.setattr(time, "time", lambda: whole() + 3600)
            fast.publish_due("email")
        if _leased(scene) != before:
            scene.errors.append("a lease was taken over before it had run out")

    scene.reset([GOOD])
    scene.wire.begin()
    with scene.process() as context:
        scene.take_in(context)
        fast = publisher(context.database, OutboundStreams(context.redis, timedelta(hours=1)))
        publisher(context.database, Stalling(context.redis, look)).publish_due("email")
        scene.publish()
    return _first(scene)


def _leased(scene: Scene) -> object:
    return scene.one("SELECT max(lease_token) FROM routes")


def _first(scene: Scene) -> str:
    return next(iter(scene.violations()), "")
