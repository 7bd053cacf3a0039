"""What the verdict says of answers: those that are missing, and those that nobody takes in (R32)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.delivery_event import Fault
from publisher.operations.snapshot.snapshot import StreamsSnapshot
from publisher.operations.verdict.verdict import Cause, Level
from publisher.operations.verdict.wording import remedy, said
from publisher.streams.groups import Group
from storage.answers.answered_failed import AnsweredFailed
from storage.answers.unanswered import Unanswered
from tests.unit.operations.verdict.snapshots import STORE, STREAMS, findings, without

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_routes_without_an_answer_are_a_warning_on_their_channel() -> None:
    """How many, since when, and when the last answer came; a channel of which none is missing says nothing."""
    late = {"email": Unanswered(1204, False, 4 * DAY, 3 * DAY), "push": Unanswered(0, False, None, MINUTE)}

    [finding] = findings(replace(STORE, unanswered=late))

    assert (finding.level, finding.cause, finding.channel) == (Level.WARNING, Cause.UNANSWERED, "email")
    assert said(finding) == "1,204 commands unanswered on email, the oldest for 4d: the last answer came 3d ago"
    assert remedy(finding) == "publisher routes list --unanswered --channel email"


def test_commands_that_were_answered_failed_are_a_warning_on_their_channel() -> None:
    """How many of the last hour, since when, and what the newest failed of; all was well with that before."""
    broken = AnsweredFailed(303, False, timedelta(seconds=12), Fault.CONTENT, None, "template turn: html.j2, line 3")
    failed = {"email": broken, "push": AnsweredFailed(1, True, MINUTE)}

    first, second = findings(replace(STORE, answered_failed=failed))

    assert (first.level, first.cause, first.channel) == (Level.WARNING, Cause.ANSWERED_FAILED, "email")
    assert said(first) == (
        "303 commands on email were answered `failed` in the last hour, the newest 12s ago:"
        " content at fault: template turn: html.j2, line 3"
    )
    assert remedy(first) == "publisher routes list --answer failed --channel email"
    assert said(second) == (
        "at least 1 command on push was answered `failed` in the last hour, the newest 1m ago:"
        " its source does not say why"
    )


def events(oldest: timedelta, streams: StreamsSnapshot = STREAMS) -> StreamsSnapshot:
    return replace(streams, events=Group("g", 17, pending=3, oldest_unread=oldest))


@pytest.mark.parametrize(
    ("streams", "level"),
    [(events(2 * MINUTE), Level.WARNING), (events(2 * MINUTE, without("intake")), Level.FAILED)],
)
def test_events_that_nobody_takes_in_are_told_like_intents(streams: StreamsSnapshot, level: Level) -> None:
    """A warning while an intake runs; without one nothing goes on by itself."""
    [finding] = [each for each in findings(streams=streams) if each.cause is Cause.EVENTS_LATE]

    assert (finding.level, finding.count) == (level, 20)
    assert said(finding) == "20 delivery events not taken in, the oldest for 2m"


@pytest.mark.parametrize("streams", [events(timedelta(seconds=5)), replace(STREAMS, events=None)])
def test_events_that_have_just_come_or_cannot_be_seen_are_no_finding(streams: StreamsSnapshot) -> None:
    """They are taken in within seconds; a user without the right to look learns that from doctor."""
    assert [finding.cause for finding in findings(streams=streams)] == [Cause.ALL_WELL]
