"""The detectors of planted bugs: each runs the workload under one kind of fault, and returns the first problem."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from publisher.domain.lanes import Lane
from publisher.domain.rate_limit import RateLimit
from publisher.domain.shares import WEIGHTS
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage import limits
from storage.group_keys import GROUP_KEY
from storage.holds import HoldCriteria, add_hold, remove_hold
from tests.factories import CHANNELS
from tests.faults.crash_points import How, Point
from tests.faults.invariants import over_their_limits
from tests.faults.workload import SEED, Workload
from tests.faults.workload_intents import GOOD
from tests.integration.buckets import bucket, fill, now_us
from tests.integration.intake.reverted_postgresql import ANOTHER, LOSE_EVERYTHING
from tests.integration.publishers import publisher
from tests.integration.rows import change, due_routes

Detector = Callable[[Workload], str]


def crash_points(workload: Workload) -> str:
    """A crash after every single I/O, until something is seen. (After one is before the next.)"""
    return _every_point(workload, How.CRASH_AFTER)


def lost_replies(workload: Workload) -> str:
    """The reply of every single I/O lost, with the process alive, until something is seen."""
    return _every_point(workload, How.CUT_AFTER)


def _every_point(workload: Workload, how: How) -> str:
    workload.after()
    for number in _mixed(workload.io.done):
        if found := workload.after(Point(number, how)):
            return f"{workload.fault_log[0]}: {found[0]}"
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


def refused_once(workload: Workload) -> str:
    """Each stream refuses its first append."""
    workload.reset([GOOD])
    workload.attempts = dict.fromkeys(workload.expected.routes, 1)
    workload.io.begin()
    with workload.process() as context:
        workload.take_in(context)
        for channel in CHANNELS.values():
            workload.redis.set(channel.stream, "of another type")
            workload.scan(channel.name)
            workload.redis.delete(channel.stream)
        workload.make_due()
        workload.publish()
    return first_violation(workload)


def lost_data(workload: Workload) -> str:
    """Redis forgets everything once all is published, and the audit looks."""
    workload.reset([GOOD])
    workload.io.begin()
    with workload.process() as context:
        from actors.maintenance import audit_published

        workload.take_in(context)
        workload.publish()
        workload.redis.flushdb()
        for channel in CHANNELS:
            audit_published.fn(channel)
        workload.publish()
    return first_violation(workload)


def lost_bucket(workload: Workload) -> str:
    """Redis forgets the bucket of a rate limit that has just been used up; then its clock goes back an hour (R30)."""
    limit = RateLimit(1.0, 5)
    workload.reset([])
    workload.io.begin()
    with workload.process() as context:
        limits.set_limit(context.database, "email", limit, "ann")
        due_routes(context.database, 40)
        worker = publisher(context.database, OutboundStreams(StreamServers(context.redis), timedelta(hours=1)))
        fill(workload.redis, 5.0)
        worker.publish_due("email")
        workload.redis.delete(bucket("email"))
        for _ in range(2):
            worker.publish_due("email")
        workload.redis.hset(bucket("email"), "at", now_us(workload.redis) + 3_600_000_000)
        for _ in range(2):
            worker.publish_due("email")
        limits.clear_limit(context.database, "email")
    return next(iter(over_their_limits(workload.redis, {"email": limit})), "")


def held_routes(workload: Workload) -> str:
    """Holds are added before the workers get intake's messages; then they are removed (R29)."""
    workload.reset([GOOD])
    workload.io.begin()
    with workload.process() as context:
        workload.take_in(context, handover=timedelta(seconds=30))
        hold = add_hold(context.database, HoldCriteria(notification_type="game.turn.ready"), "why", "ann")
        worker = publisher(context.database, OutboundStreams(StreamServers(context.redis), timedelta(hours=1)))
        workload.sql.execute("SELECT channel, id, lease_token FROM routes")
        for channel, id_, handover in workload.sql.fetchall():
            worker.publish_these(channel, [id_], handover)
            worker.publish_these(channel, [id_])
            worker.publish_due(channel)
        if went := sum(workload.redis.xlen(channel.stream) for channel in CHANNELS.values()):
            return f"{went} routes were published that a hold matches"
        remove_hold(context.database, hold.id)
        workload.publish()
    return first_violation(workload)


def crowded_lanes(workload: Workload) -> str:
    """Every lane has more due than a worker can publish, and each of its claims takes one route (R31)."""
    workload.reset([])
    workload.io.begin()
    with workload.process() as context:
        ids = due_routes(context.database, 60)
        for n, lane in enumerate(Lane):
            change(context.database, ids[n::3], f"lane = '{lane}'")
        change(context.database, ids, f"group_key = {GROUP_KEY}")
        worker = publisher(
            context.database, OutboundStreams(StreamServers(context.redis), timedelta(hours=1)), batch_size=1
        )
        for _ in range(sum(WEIGHTS.values())):
            worker.publish_due("email")
        got = context.database.rows("SELECT lane, count(*) FROM routes WHERE status = 'published' GROUP BY lane")
    starved = set(Lane) - {lane for lane, _ in got}
    return f"of {sorted(starved)} nothing was published" if starved else ""


def reverted_postgresql(workload: Workload) -> str:
    """PostgreSQL comes back as another server that has none of what it had accepted, and intake starts anew (R18)."""
    workload.reset([GOOD])
    workload.io.begin()
    with workload.process() as context:
        workload.take_in(context)
        workload.publish()
    for statement in (LOSE_EVERYTHING, ANOTHER):
        workload.sql.execute(statement)
    with workload.process() as context:
        workload.take_in(context)
        workload.publish()
    return first_violation(workload)


def first_violation(workload: Workload) -> str:
    """The first promise that the workload has broken, or blank."""
    return next(iter(workload.violations()), "")
