"""What is wrong in PostgreSQL: each cause by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.rate_limit import RateLimit
from publisher.operations.channels.limits import ChannelLimit
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.verdict import Cause, Finding
from storage.audit_states import AuditState
from storage.counts.counts import OpenRoutes
from storage.counts.outstanding import Waiting
from storage.holds import HoldCriteria, HoldRecord
from tests.factories import INSTANT
from tests.unit.operations.verdict.snapshots import (
    AUDIT,
    BEHIND,
    FAILED,
    HOUR,
    MINUTE,
    OK,
    RUNNING,
    SECOND,
    STORE,
    STREAMS,
    WARNING,
    due,
    findings,
    gate,
    outstanding,
    parked,
    routes,
    seen,
    without,
)


def limited(oldest: timedelta, published: float, per_second: float = 14.0) -> StoreSnapshot:
    limit = ChannelLimit("push", RateLimit(per_second, 14), published=published)
    return replace(routes(push=due(3, oldest)), limits={"push": limit})


def audited(age: timedelta) -> StoreSnapshot:
    return replace(STORE, audits={"push": AuditState("push", INSTANT - age, age, age)})


@pytest.mark.parametrize(
    ("store", "streams", "finding"),
    [
        # Routes.
        (routes(email=due(9)), STREAMS, Finding(OK, Cause.ALL_WELL)),
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
        # Workers.
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
    ],
)
def test_each_cause_is_told_by_itself(store: StoreSnapshot, streams: StreamsSnapshot, finding: Finding) -> None:
    """With one thing wrong there is one finding: its cause, how many, and since when."""
    assert list(findings(store, streams)) == [finding]


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


def test_a_channel_that_is_not_installed_any_more_is_not_audited() -> None:
    """It may have been parked once, and is remembered for that: nobody could end the finding."""
    snapshot = Snapshot(INSTANT, audited(HOUR), STREAMS, ["email"], AUDIT)

    assert judge(snapshot).worst.cause is Cause.ALL_WELL


def test_audits_that_are_off_are_not_overdue() -> None:
    """Without a window nothing is audited, and nothing is late."""
    snapshot = Snapshot(INSTANT, audited(HOUR), STREAMS, ["email", "push"], timedelta(0))

    assert judge(snapshot).worst.cause is Cause.ALL_WELL
