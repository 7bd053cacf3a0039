"""The gauges of a snapshot: what it shows, by name and labels, and nothing that could not be read (R25, R35)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.channels.email import EMAIL
from publisher.domain.circuit import Gate
from publisher.domain.errors import DatabaseUnavailable, PublisherError, RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.observability.catalogue import AUDIT_OVERDUE, GAUGES, MIGRATIONS, SCHEMA
from publisher.observability.gauges import gauges_of
from publisher.operations.channels.limits import ChannelLimit
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.streams.given_up import GivenUp
from publisher.streams.groups import Consumer, Group, StreamGroups
from publisher.streams.hints import QueueState
from storage.answers.unanswered import Unanswered
from storage.audit_states import AuditState
from storage.counts.counts import OpenRoutes
from storage.counts.outstanding import Outstanding, Waiting
from tests.factories import INSTANT
from tests.unit.operations.verdict.snapshots import AUDIT, HOUR, MINUTE, RUNNING, SECOND, STORE, STREAMS, seen, without

GROUP = Group("mail-service", 40, False, 10, 9 * SECOND, 2 * SECOND, 1, [Consumer("a", 10, 3 * SECOND)])
FULL_STORE = replace(
    STORE,
    open_routes={"email": OpenRoutes(7, 2, 5, 4 * SECOND, 3)},
    gates={"push": Gate("push", INSTANT, "ann", "moves")},
    audits={"email": AuditState("email", INSTANT, MINUTE), "push": AuditState("push", INSTANT, HOUR, HOUR)},
    limits={"email": ChannelLimit("email", RateLimit(14.0, 28), published=7.0)},
    outstanding=Outstanding(Waiting(1), Waiting(2), Waiting(3), Waiting(4)),
    unanswered={"email": Unanswered(6)},
)
FULL_STREAMS = StreamsSnapshot(
    Group("publisher", 11, False, 12, 13 * SECOND),
    RUNNING,
    {"email": QueueState(8)},
    {"email": CommandReaders(replace(EMAIL, stream_ceiling=100), StreamGroups(50, HOUR, [GROUP, Group("other", 1)]))},
    Group("publisher", 14, False, 15, None, 16 * SECOND),
    given_up=[GivenUp("mail:{5}", 17), GivenUp("mail:{6}", 1)],
)
Samples = Mapping[tuple[str, ...], float]


def samples(
    store: StoreSnapshot | PublisherError = FULL_STORE,
    streams: StreamsSnapshot | PublisherError = FULL_STREAMS,
    audit: timedelta = AUDIT,
) -> Samples:
    """The value of each gauge, by its name without the prefix and its labels."""
    found = list(gauges_of(Snapshot(INSTANT, store, streams, ["email", "push"], audit)))
    for sample in found:
        assert len(sample.labels) == len(sample.gauge.labels), sample
    values = {(s.gauge.name.removeprefix("publisher_"), *s.labels): s.value for s in found}
    assert len(values) == len(found)
    return values


def test_every_gauge_of_the_list_is_told() -> None:
    """But for those of the schema, which no snapshot knows."""
    told = {name for name, *_ in samples()}

    assert told == {gauge.name.removeprefix("publisher_") for gauge in GAUGES if gauge not in (MIGRATIONS, SCHEMA)}


@pytest.mark.parametrize(
    ("gauge", "value"),
    [
        (("snapshot_timestamp_seconds",), INSTANT.timestamp()),
        (("server_read", "postgresql"), 1),
        (("routes_open", "email", "pending"), 7),
        (("routes_open", "email", "failed"), 2),
        (("routes_due", "email"), 5),
        (("routes_due_oldest_seconds", "email"), 4),
        (("routes_due_oldest_seconds", "push"), 0),
        (("routes_in_flight", "email"), 3),
        (("channel_state", "push", "paused"), 1),
        (("channel_state", "push", "open"), 0),
        (("channel_state", "email", "open"), 1),
        (("rate_limit_per_second", "email"), 14),
        (("rate_limit_used_ratio", "email"), 0.5),
        (("audit_last_completed_timestamp_seconds", "email"), INSTANT.timestamp()),
        (("audit_overdue", "email"), 0),
        (("audit_overdue", "push"), 1),
        (("routes_unanswered", "email"), 6),
        (("dead_letters_waiting",), 1),
        (("malformed_waiting",), 2),
        (("intents_losses_waiting",), 3),
        (("mail_held",), 4),
        (("intents_unread",), 11),
        (("intents_pending",), 12),
        (("intents_oldest_seconds",), 13),
        (("delivery_events_unread",), 14),
        (("delivery_events_pending",), 15),
        (("delivery_events_oldest_seconds",), 16),
        (("commands_unread", "email", "mail-service"), 40),
        (("commands_pending", "email", "mail-service"), 10),
        (("commands_unread_oldest_seconds", "email", "mail-service"), 9),
        (("commands_last_read_seconds", "email", "mail-service"), 3),
        (("given_up_entries_waiting",), 18),
        (("processes", "worker"), 1),
        (("processes", "mailer"), 0),
        (("process_last_seen_timestamp_seconds", "intake", "web-1", "17"), (INSTANT - SECOND).timestamp()),
        (("messages_queued", "email"), 8),
    ],
)
def test_a_gauge_says_what_the_snapshot_shows(gauge: tuple[str, ...], value: float) -> None:
    """In base units, with the names that the snapshot has (R25)."""
    assert samples()[gauge] == value


def test_the_ceiling_is_used_by_the_slowest_group() -> None:
    """What it has not acknowledged stands against the ceiling (R13); without any group all that stands there does."""
    alone = {"email": CommandReaders(replace(EMAIL, stream_ceiling=100), StreamGroups(80, HOUR))}

    assert samples()["stream_ceiling_used_ratio", "email"] == 0.5
    assert samples(streams=replace(FULL_STREAMS, readers=alone))["stream_ceiling_used_ratio", "email"] == 0.8


def test_a_ceiling_that_holds_nothing_back_has_no_share() -> None:
    """A channel without a ceiling is not at 0 of it."""
    free = {"email": CommandReaders(replace(EMAIL, stream_ceiling=0), StreamGroups(80, HOUR))}

    assert ("stream_ceiling_used_ratio", "email") not in samples(streams=replace(FULL_STREAMS, readers=free))


def test_what_nobody_has_looked_for_has_no_gauge() -> None:
    """Without workers nobody knows what waits on streams that were given up: that is not 0."""
    assert ("given_up_entries_waiting",) not in samples(streams=replace(FULL_STREAMS, given_up=None))


def test_labels_that_come_twice_are_one_sample() -> None:
    """A worker that was killed in its container, and the next one there, which has the same number."""
    streams = replace(
        FULL_STREAMS, processes=[seen("worker", silent=HOUR), seen("worker"), seen("worker", silent=MINUTE)]
    )

    found = samples(streams=streams)

    assert found["process_last_seen_timestamp_seconds", "worker", "web-1", "17"] == (INSTANT - SECOND).timestamp()


def test_a_process_on_a_host_with_an_odd_name_spoils_no_scrape() -> None:
    """A host's name may be no UTF-8; a label has to be."""
    odd = seen("worker")
    odd = replace(odd, process=replace(odd.process, host="web\udcff1"))

    found = samples(streams=replace(FULL_STREAMS, processes=[odd]))

    assert ("process_last_seen_timestamp_seconds", "worker", "web?1", "17") in found


def test_of_processes_that_crash_again_and_again_the_last_are_told() -> None:
    """Each is remembered for an hour: without a bound each would be a series more."""
    crashed = [
        replace(each, process=replace(each.process, pid=number))
        for number in range(1000)
        for each in [seen("worker", silent=(2000 - number) * SECOND)]
    ]

    found = samples(streams=replace(FULL_STREAMS, processes=[*crashed, seen("clock")]))
    told = [key for key in found if key[0] == "process_last_seen_timestamp_seconds"]

    assert len(told) == 300
    assert told[0][1] == "clock"
    assert told[-1][3] == "701"


@pytest.mark.parametrize(("consumers", "read"), [([], 9), (None, None)])
def test_a_group_that_nobody_ever_read_has_not_been_read_since_its_first_command(
    consumers: Sequence[Consumer] | None, read: float | None
) -> None:
    """Where the consumers could not be read, nobody can tell."""
    group = replace(GROUP, consumers=consumers)
    readers = {"email": CommandReaders(EMAIL, StreamGroups(50, HOUR, [group]))}

    found = samples(streams=replace(FULL_STREAMS, readers=readers))

    assert found.get(("commands_last_read_seconds", "email", "mail-service")) == read


def test_what_is_wrong_is_told_as_status_tells_it() -> None:
    """A finding of the verdict is a gauge, and goes when it goes."""
    assert samples(STORE, STREAMS)["finding", "ok", "all_well", ""] == 1
    assert samples(STORE, without("worker"))["finding", "warning", "no_worker", ""] == 1


@pytest.mark.parametrize("server", ["postgresql", "redis"])
def test_a_server_that_is_away_hides_nothing_of_the_other(server: str) -> None:
    """Its own gauges are missing, and not 0; that it is away is told (R35)."""
    store_only = samples(streams=RedisUnavailable("gone"))
    streams_only = samples(store=DatabaseUnavailable("gone"))
    found, others = (streams_only, store_only) if server == "postgresql" else (store_only, streams_only)

    assert found["server_read", server] == 0
    assert set(found) - {key for key in found if key[0] == "finding"} <= set(samples())
    missing = {name for name, *_ in samples()} - {name for name, *_ in found}
    assert missing
    assert missing <= {name for name, *_ in others}


def test_without_audits_none_is_overdue() -> None:
    """Where the settings turn them off there is nothing to be late with."""
    assert not [key for key in samples(audit=timedelta(0)) if key[0] == "audit_overdue"]


def test_no_audit_of_a_channel_that_is_not_installed_is_overdue() -> None:
    """Nobody audits it any more."""
    found = gauges_of(Snapshot(INSTANT, FULL_STORE, FULL_STREAMS, ["email"], AUDIT))

    assert [sample.labels for sample in found if sample.gauge is AUDIT_OVERDUE] == [("email",)]
