"""The verdict on a snapshot: each cause by itself, and the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.channels.push import PUSH
from publisher.domain.channel import StreamTrim
from publisher.domain.circuit import Gate
from publisher.domain.errors import DatabaseUnavailable, PublisherError, RedisRefused, RedisUnavailable, SchemaOutdated
from publisher.domain.rate_limit import RateLimit
from publisher.domain.trouble import Trouble
from publisher.operations.channel_limits import ChannelLimit
from publisher.operations.judge import judge
from publisher.operations.readers import CommandReaders
from publisher.operations.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict import Cause, Finding, Level
from publisher.streams.groups import Consumer, Group, StreamGroups
from publisher.streams.heartbeats import Process, ProcessSeen
from storage.audit_states import AuditState
from storage.counts import OpenRoutes
from storage.holds import HoldCriteria, HoldRecord
from storage.outstanding import Outstanding, Waiting
from tests.factories import INSTANT

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AUDIT = 5 * MINUTE
DAY = timedelta(days=1)
FAILED, WARNING, OK = Level
AT_WORK = Consumer("alive", 5, SECOND)
BEHIND = "mail is 100,000 commands behind"


def seen(role: str, *, silent: timedelta = SECOND, up: timedelta = HOUR) -> ProcessSeen:
    process = Process(role, role, "web-1", 17, INSTANT - up, "0.1.0")
    return ProcessSeen(process, INSTANT - silent, silent)


RUNNING = [seen("clock"), seen("intake"), seen("worker")]
STORE = StoreSnapshot(INSTANT, ["email", "push"])
STREAMS = StreamsSnapshot(processes=RUNNING)


def due(count: int, oldest: timedelta = SECOND) -> OpenRoutes:
    return OpenRoutes(count, 0, count, oldest)


def limited(oldest: timedelta, published: float, per_second: float = 14.0) -> StoreSnapshot:
    limit = ChannelLimit("push", RateLimit(per_second, 14), published=published)
    return replace(routes(push=due(3, oldest)), limits={"push": limit})


def without(role: str) -> StreamsSnapshot:
    return replace(STREAMS, processes=[each for each in RUNNING if each.process.role != role])


def with_mailers(*errors: str | None) -> StreamsSnapshot:
    """A mailer for each of these troubles, which began a minute ago, a second more with each; None: it has none."""
    mailers = [
        replace(
            each := seen("mailer"),
            process=replace(
                each.process, trouble=None if error is None else Trouble(error, INSTANT - MINUTE - (n - 1) * SECOND)
            ),
        )
        for n, error in enumerate(errors)
    ]
    return replace(STREAMS, processes=[*RUNNING, *mailers])


def routes(**open_routes: OpenRoutes) -> StoreSnapshot:
    return replace(STORE, open_routes=open_routes)


def gate(found: OpenRoutes = due(3), **fields: Any) -> StoreSnapshot:  # noqa: B008 - a value
    return replace(STORE, open_routes={"push": found}, gates={"push": Gate("push", **fields)})


def parked(reason: str, found: OpenRoutes = due(3)) -> StoreSnapshot:  # noqa: B008 - a value
    return gate(found, refused_batches=3, parked_at=INSTANT - MINUTE, park_reason=reason, probe_at=INSTANT)


def outstanding(**waiting: Any) -> StoreSnapshot:
    return replace(STORE, outstanding=Outstanding(**waiting))


def audited(age: timedelta) -> StoreSnapshot:
    return replace(STORE, audits={"push": AuditState("push", INSTANT - age, age, age)})


def group(unread: int, pending: int = 0, oldest: timedelta = SECOND) -> StreamsSnapshot:
    return replace(STREAMS, intents=Group("g", unread, pending=pending, oldest_unread=oldest, consumer_count=1))


def read(*groups: Group, length: int = 0, trims: bool = True, **refused: RedisRefused) -> StreamsSnapshot:
    """Commands of push, on a stream with these groups."""
    found = refused.get("refused", StreamGroups(length, None, groups))
    channel = replace(PUSH, stream="gateway", stream_trim=StreamTrim.ACKNOWLEDGED if trims else StreamTrim.LENGTH)
    return replace(STREAMS, readers={"push": CommandReaders(channel, found)})


def findings(
    store: StoreSnapshot | PublisherError = STORE, streams: StreamsSnapshot | PublisherError = STREAMS
) -> Sequence[Finding]:
    return judge(Snapshot(INSTANT, store, streams, ["email", "push"], AUDIT)).findings


@pytest.mark.parametrize(
    ("store", "streams", "finding"),
    [
        (STORE, STREAMS, Finding(OK, Cause.ALL_WELL)),
        (routes(email=due(9)), STREAMS, Finding(OK, Cause.ALL_WELL)),
        (STORE, group(12, 3), Finding(OK, Cause.ALL_WELL)),
        # Servers.
        (DatabaseUnavailable("gone"), STREAMS, Finding(FAILED, Cause.POSTGRESQL_UNREAD, detail="gone")),
        (SchemaOutdated("old"), STREAMS, Finding(FAILED, Cause.SCHEMA_BEHIND, detail="old")),
        (
            routes(email=due(9, MINUTE)),
            RedisUnavailable("gone"),
            Finding(FAILED, Cause.REDIS_UNREAD, count=9, lasting=MINUTE, detail="gone"),
        ),
        # Processes.
        (STORE, without("worker"), Finding(WARNING, Cause.NO_WORKER)),
        (
            routes(email=due(9), push=due(3, MINUTE)),
            without("worker"),
            Finding(FAILED, Cause.NO_WORKER, count=12, lasting=MINUTE),
        ),
        (
            routes(email=due(9)),
            replace(STREAMS, processes=[*RUNNING[:2], seen("worker", silent=MINUTE)]),
            Finding(FAILED, Cause.NO_WORKER, count=9, lasting=SECOND),
        ),
        (STORE, without("clock"), Finding(WARNING, Cause.NO_CLOCK)),
        (STORE, without("intake"), Finding(WARNING, Cause.NO_INTAKE)),
        (
            STORE,
            replace(without("intake"), intents=Group("g", 12, pending=3, oldest_pending=MINUTE)),
            Finding(FAILED, Cause.NO_INTAKE, count=15, lasting=MINUTE),
        ),
        (
            STORE,
            replace(without("intake"), intents=Group("g", 10_000, is_bound=True)),
            Finding(FAILED, Cause.NO_INTAKE, count=10_000, is_bound=True),
        ),
        # Routes.
        (
            routes(email=due(9, HOUR)),
            STREAMS,
            Finding(WARNING, Cause.LATE, "email", 9, lasting=HOUR),
        ),
        (
            routes(email=due(9, HOUR), push=due(3, 2 * HOUR)),
            STREAMS,
            Finding(WARNING, Cause.LATE, count=12, lasting=2 * HOUR),
        ),
        (
            replace(routes(fax=OpenRoutes(2, 1)), channels=["email", "fax", "push"]),
            STREAMS,
            Finding(FAILED, Cause.NOT_INSTALLED, "fax", 3),
        ),
        # Rate limits.
        (limited(SECOND, 14.0), STREAMS, Finding(OK, Cause.ALL_WELL)),
        (
            limited(HOUR, 13.5),
            STREAMS,
            Finding(WARNING, Cause.LIMITED, "push", 3, lasting=HOUR, detail="14/s burst 14"),
        ),
        (limited(HOUR, 2.0), STREAMS, Finding(WARNING, Cause.LATE, "push", 3, lasting=HOUR)),
        (
            limited(HOUR, 0.0, 1 / 60),
            STREAMS,
            Finding(WARNING, Cause.LIMITED, "push", 3, lasting=HOUR, detail="1/m burst 14"),
        ),
        # Closed channels.
        (
            gate(paused_at=INSTANT - HOUR, paused_by="ann", pause_reason="moves"),
            STREAMS,
            Finding(WARNING, Cause.PAUSED, "push", 3, lasting=HOUR, by="ann", detail="moves"),
        ),
        (
            parked("Redis refused: OOM"),
            STREAMS,
            Finding(FAILED, Cause.CIRCUIT_OPEN, "push", 3, lasting=MINUTE, detail="Redis refused: OOM"),
        ),
        (parked(BEHIND), STREAMS, Finding(FAILED, Cause.HELD_BACK, "push", 3, lasting=MINUTE, detail=BEHIND)),
        (
            parked(BEHIND, OpenRoutes()),
            STREAMS,
            Finding(WARNING, Cause.HELD_BACK, "push", lasting=MINUTE, detail=BEHIND),
        ),
        (
            STORE,
            with_mailers(None, "connection refused", "the login was refused"),
            Finding(WARNING, Cause.NO_MAIL, count=2, lasting=MINUTE + SECOND, detail="the login was refused"),
        ),
        # What waits for an operator.
        (
            outstanding(held_mail=Waiting(2, False, "", MINUTE)),
            STREAMS,
            Finding(WARNING, Cause.HELD_MAIL, count=2, lasting=MINUTE),
        ),
        (
            outstanding(dead_letters=Waiting(12, False, "payload_encoding_failed", MINUTE)),
            STREAMS,
            Finding(WARNING, Cause.DEAD_LETTERS, count=12, lasting=MINUTE, detail="payload_encoding_failed"),
        ),
        (
            outstanding(malformed=Waiting(10_000, True, "invalid_json", MINUTE)),
            STREAMS,
            Finding(WARNING, Cause.MALFORMED, count=10_000, is_bound=True, lasting=MINUTE, detail="invalid_json"),
        ),
        (
            outstanding(losses=Waiting(1, False, "", HOUR)),
            STREAMS,
            Finding(FAILED, Cause.LOSSES, count=1, lasting=HOUR),
        ),
        # Loss audits.
        (audited(3 * AUDIT), STREAMS, Finding(OK, Cause.ALL_WELL)),
        (audited(HOUR), STREAMS, Finding(FAILED, Cause.AUDIT_OVERDUE, "push", None, lasting=HOUR)),
        (
            audited(HOUR),
            replace(STREAMS, processes=[*RUNNING[:2], seen("worker", up=MINUTE)]),
            Finding(WARNING, Cause.AUDIT_OVERDUE, "push", None, lasting=HOUR),
        ),
        # Intents.
        (
            STORE,
            group(12, 3, HOUR),
            Finding(WARNING, Cause.INTENTS_LATE, count=15, lasting=HOUR),
        ),
        (STORE, group(0, 3, -HOUR), Finding(OK, Cause.ALL_WELL)),
        # Who reads the commands.
        (STORE, read(Group("mail", 9, oldest_unread=HOUR, consumers=[AT_WORK])), Finding(OK, Cause.ALL_WELL)),
        (STORE, read(Group("mail", 9, oldest_unread=MINUTE)), Finding(OK, Cause.ALL_WELL)),
        (STORE, read(Group("mail", 9, oldest_unread=HOUR, consumers=None)), Finding(OK, Cause.ALL_WELL)),
        (STORE, read(refused=RedisRefused("WRONGTYPE")), Finding(OK, Cause.ALL_WELL)),
        (
            STORE,
            read(
                Group("mail", 9, True, oldest_unread=HOUR, consumers=[Consumer("one", 0, HOUR)]),
                Group("audit", 3, oldest_unread=MINUTE * 30),
                Group("well", consumers=[AT_WORK]),
            ),
            Finding(WARNING, Cause.NOT_READ, "push", 9, True, HOUR, detail="groups mail, audit read nothing"),
        ),
        (STORE, read(length=49_999), Finding(OK, Cause.ALL_WELL)),
        (STORE, read(length=200_000, trims=False), Finding(OK, Cause.ALL_WELL)),
        (
            STORE,
            read(length=50_000),
            Finding(
                *(WARNING, Cause.NOT_READ, "push", 50_000),
                detail="no group reads gateway, and at 100,000 the channel waits",
            ),
        ),
        (
            STORE,
            read(Group("mail", pending=7, consumers=[Consumer("dead", 4, HOUR), Consumer("too", 3, DAY), AT_WORK])),
            Finding(WARNING, Cause.READER_GONE, "push", 7, lasting=HOUR, detail="dead, too"),
        ),
        # Nothing at all yet.
        (outstanding(is_unused=True), STREAMS, Finding(OK, Cause.NOTHING_SENT)),
        (
            outstanding(is_unused=True),
            StreamsSnapshot(),
            Finding(OK, Cause.NOTHING_SENT, missing=("worker", "clock", "intake")),
        ),
    ],
)
def test_each_cause_is_told_by_itself(
    store: StoreSnapshot | PublisherError, streams: StreamsSnapshot | PublisherError, finding: Finding
) -> None:
    """With one thing wrong there is one finding: its cause, how many, and since when."""
    assert list(findings(store, streams)) == [finding]


CLOSED: Mapping[str, Gate] = {
    "email": Gate("email", parked_at=INSTANT, park_reason="Redis refused: OOM"),
    "push": Gate("push", INSTANT, "ann", "moves"),
}


def test_the_worst_comes_first() -> None:
    """What does not go on by itself, then what is to be looked at, each by the order of the causes."""
    store = replace(
        STORE,
        open_routes={"email": due(9), "push": due(3)},
        gates=CLOSED,
        outstanding=Outstanding(Waiting(1), Waiting(1), Waiting(1)),
    )

    found = findings(store, replace(without("intake"), intents=Group("g", 1)))

    assert [finding.cause for finding in found] == [
        *(Cause.NO_INTAKE, Cause.CIRCUIT_OPEN, Cause.LOSSES),
        *(Cause.PAUSED, Cause.DEAD_LETTERS, Cause.MALFORMED),
    ]


def test_the_routes_of_a_closed_channel_wait_for_no_worker() -> None:
    """Nothing of them would be claimed: that no worker runs is a warning, and how many wait is said of the channel."""
    store = replace(STORE, open_routes={"push": due(3)}, gates={"push": CLOSED["push"]})

    found = {finding.cause: finding for finding in findings(store, without("worker"))}

    assert (found[Cause.NO_WORKER].level, found[Cause.NO_WORKER].count) == (WARNING, 0)
    assert found[Cause.PAUSED].count == 3


def test_holds_are_told_of_and_make_nobody_late() -> None:
    """By their number and the newest of them; what waits for one is not what the workers do not keep up with (R29)."""
    holds = [
        HoldRecord(n, HoldCriteria(channel="email"), reason, by, INSTANT - HOUR)
        for n, (reason, by) in enumerate([("why", "ann"), ("a wrong price", "bob")])
    ]
    store = replace(STORE, open_routes={"email": due(9, HOUR), "push": due(3, HOUR)}, holds=holds)

    assert findings(store) == [
        Finding(WARNING, Cause.LATE, "push", 3, lasting=HOUR),
        Finding(WARNING, Cause.HOLDS, None, 2, lasting=HOUR, by="bob", detail="a wrong price"),
    ]


def test_readers_that_hold_a_channel_back_are_told_of_once() -> None:
    """The channel is parked because of them, and says so: that they read nothing is no second finding."""
    streams = read(Group("mail", 100_000, oldest_unread=HOUR))

    assert [finding.cause for finding in findings(parked(BEHIND), streams)] == [Cause.HELD_BACK]


def test_both_servers_away_are_two_findings() -> None:
    """Neither hides the other (R35)."""
    found = findings(DatabaseUnavailable("one"), RedisUnavailable("two"))

    assert [finding.cause for finding in found] == [Cause.POSTGRESQL_UNREAD, Cause.REDIS_UNREAD]


def test_without_redis_nobody_says_that_no_process_runs() -> None:
    """Heartbeats stand in Redis: while it is away nothing is known of the processes."""
    causes = {finding.cause for finding in findings(routes(email=due(9, HOUR)), RedisUnavailable("gone"))}

    assert causes == {Cause.REDIS_UNREAD}


def test_a_paused_channel_shows_on_an_unused_system() -> None:
    """What an operator did is not hidden by what comes next."""
    store = replace(outstanding(is_unused=True), gates={"push": CLOSED["push"]})

    assert [finding.cause for finding in findings(store, StreamsSnapshot())] == [Cause.PAUSED, Cause.NOTHING_SENT]


def test_audits_that_are_off_are_not_overdue() -> None:
    """Without a window nothing is audited, and nothing is late."""
    snapshot = Snapshot(INSTANT, audited(HOUR), STREAMS, ["email", "push"], timedelta(0))

    assert judge(snapshot).worst.cause is Cause.ALL_WELL
