"""The verdict on a whole snapshot: the worst first, whatever cannot be read, and what nobody has used yet."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.circuit import Gate
from publisher.domain.errors import DatabaseUnavailable, PublisherError, RedisUnavailable, SchemaOutdated
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.verdict import Cause, Finding
from publisher.streams.given_up import GivenUp
from publisher.streams.groups import Group
from storage.counts.outstanding import Outstanding, Waiting
from tests.factories import INSTANT
from tests.unit.operations.verdict.snapshots import (
    FAILED,
    HOUR,
    MINUTE,
    OK,
    STORE,
    STREAMS,
    WARNING,
    due,
    findings,
    outstanding,
    parked,
    routes,
    without,
)

CLOSED: Mapping[str, Gate] = {
    "email": Gate("email", parked_at=INSTANT, park_reason="Redis refused: OOM"),
    "push": Gate("push", INSTANT, "ann", "moves"),
}


@pytest.mark.parametrize(
    ("store", "streams", "finding"),
    [
        (STORE, STREAMS, Finding(OK, Cause.ALL_WELL)),
        # Servers.
        (DatabaseUnavailable("gone"), STREAMS, Finding(FAILED, Cause.POSTGRESQL_UNREAD, detail="gone")),
        (SchemaOutdated("old"), STREAMS, Finding(FAILED, Cause.SCHEMA_BEHIND, detail="old")),
        (
            routes(email=due(9, MINUTE)),
            RedisUnavailable("gone"),
            Finding(FAILED, Cause.REDIS_UNREAD, count=9, lasting=MINUTE, detail="gone"),
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


def test_both_servers_away_are_two_findings() -> None:
    """Neither hides the other (R35)."""
    found = findings(DatabaseUnavailable("one"), RedisUnavailable("two"))

    assert [finding.cause for finding in found] == [Cause.POSTGRESQL_UNREAD, Cause.REDIS_UNREAD]


def test_without_redis_nobody_says_that_no_process_runs() -> None:
    """Heartbeats stand in Redis: while it is away nothing is known of the processes."""
    causes = {finding.cause for finding in findings(routes(email=due(9, HOUR)), RedisUnavailable("gone"))}

    assert causes == {Cause.REDIS_UNREAD}


def test_intents_on_a_stream_that_was_given_up_show_on_an_unused_system() -> None:
    """They were sent before any was accepted: that is not nothing."""
    streams = replace(STREAMS, given_up=[GivenUp("old:intents", 3)])

    assert [finding.cause for finding in findings(outstanding(is_unused=True), streams)] == [Cause.GIVEN_UP]


def test_a_paused_channel_shows_on_an_unused_system() -> None:
    """What an operator did is not hidden by what comes next."""
    store = replace(outstanding(is_unused=True), gates={"push": CLOSED["push"]})

    assert [finding.cause for finding in findings(store, StreamsSnapshot())] == [Cause.PAUSED, Cause.NOTHING_SENT]


def test_the_redis_of_a_channel_that_is_away_shows_though_nothing_is_due() -> None:
    """A stream that cannot be read is not well. Channels of one Redis are one finding, and a parked one has said it."""
    away = RedisUnavailable("gone")
    readers = {
        channel.name: CommandReaders(replace(channel, server="redis://mail:6379/0"), away) for channel in (EMAIL, PUSH)
    }
    streams = replace(STREAMS, readers=readers)

    assert list(findings(STORE, streams)) == [Finding(FAILED, Cause.REDIS_UNREAD, detail="email, push: gone")]
    assert list(findings(STORE, replace(streams, readers={"push": readers["push"]}))) == [
        Finding(FAILED, Cause.REDIS_UNREAD, "push", detail="push: gone")
    ]
    assert [each.cause for each in findings(parked("gone"), replace(streams, readers={"push": readers["push"]}))] == [
        Cause.CIRCUIT_OPEN
    ]
