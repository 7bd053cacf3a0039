"""Explains why a route is where it is, what happens next and when, for the people who run the service (R3-R5a)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from publisher.domain.attempt import LEASE_LOSS_LIMIT
from publisher.domain.circuit import Gate, GateState
from publisher.domain.instants import readable
from publisher.domain.notification import RouteStatus
from publisher.operations.explain_final import (
    explain_cancelled,
    explain_dead_letter,
    explain_expired,
    explain_published,
    explain_skipped,
)
from publisher.operations.explanation import Explanation, RouteState, ago, ahead, failure, replays, times
from publisher.operations.failure_cause import another_intent, cause_of, stream_takes_commands
from publisher.operations.holds import HoldRecord, worded
from publisher.operations.limited_queue import LimitedQueue, between, lasts, waits
from publisher.operations.remedy import Advice, Remedy, Sentence
from publisher.operations.wording import names
from publisher.streams.append_result import is_held_back
from storage.dead_letters import DeadLetterRecord
from storage.handover import is_handover
from storage.routes import RouteRecord

# A route that is due for so long is late: scans and messages look every few seconds.
_LATE = timedelta(minutes=1)


def explain(
    route: RouteRecord,
    gate: Gate,
    stream: str | None,
    letter: DeadLetterRecord | None = None,
    queue: LimitedQueue | None = None,
    holds: Sequence[HoldRecord] = (),
) -> Explanation:
    """Explains the route as it stood when it was read.

    gate: its channel's.
    stream: where its channel publishes now. None: no channel of that name is installed.
    letter: its newest dead letter, or None.
    queue: its place before its channel's rate limit, or None if that has none.
    holds: those that match it, the oldest first.
    """
    if route.status is RouteStatus.PUBLISHED:
        return explain_published(route, stream)
    if route.status is RouteStatus.DEAD_LETTER:
        return explain_dead_letter(route, stream, letter)
    if route.status is RouteStatus.SKIPPED:
        return explain_skipped(route)
    if route.status is RouteStatus.EXPIRED:
        return explain_expired(route)
    if route.status is RouteStatus.CANCELLED:
        return explain_cancelled(route)
    here = _open(route, gate, stream, queue, holds)
    if here.state is RouteState.TO_BE_CANCELLED:
        return Explanation(here.state, (*_so_far(route), *here.why), here.next, here.next_at)
    return Explanation(
        here.state,
        (*_so_far(route), *_elsewhere(route, stream), *here.why),
        (*here.next, *_hopeless(route, stream), *_deadline(route)),
        _first(route, here.next_at),
    )


def _so_far(route: RouteRecord) -> list[str]:
    why = replays(route)
    if route.attempt_count:
        why.append(
            f"Attempt {route.attempt_count} of {route.max_attempts} failed {ago(route, route.last_failure_at)}:"
            f" {failure(route)}."
        )
    elif route.last_failure_at is not None or route.replay:
        why.append(f"Open again, with all {times(route.max_attempts, 'attempt')} before it.")
    else:
        why.append(f"Accepted {ago(route, route.created_at)}; no attempt has failed.")
        if route.not_before is not None and route.not_before > route.read_at:
            why.append(f"Its producer wants it no sooner than {readable(route.not_before)}.")
    if route.lease_loss_count:
        why.append(
            f"{times(route.lease_loss_count, 'lease')} in a row ended without an outcome: the worker died or hung."
            f" With {LEASE_LOSS_LIMIT} it is given up."
        )
    return why


def _hopeless(route: RouteRecord, stream: str | None) -> list[str]:
    """Says that no further attempt will succeed, where the last failure shows it."""
    if not route.attempt_count or route.last_failure_classification is None:
        return []
    cause = cause_of(route.last_failure_classification, route.last_failure_message, route.channel, stream)
    if cause.can_pass:
        return []
    return [f"Each attempt will fail in the same way: {cause.reason}.", another_intent(cause)]


def _elsewhere(route: RouteRecord, stream: str | None) -> list[str]:
    if route.stream is None or stream is None or route.stream == stream:
        return []
    return [f"An attempt was begun when its stream was {route.stream}: its command is looked for there first."]


def _open(
    route: RouteRecord, gate: Gate, stream: str | None, queue: LimitedQueue | None, holds: Sequence[HoldRecord]
) -> Explanation:
    """Names the first of all things that keep an open route from being claimed."""
    now = route.read_at
    if route.cancel_requested_at is not None:
        return _to_be_cancelled(route)
    if route.lease_expires_at is not None and route.lease_expires_at > now:
        return _leased(route, route.lease_expires_at)
    if route.expires_at is not None and route.expires_at <= now:
        return Explanation(
            RouteState.TOO_LATE,
            (f"Its deadline was {ago(route, route.expires_at)}.",),
            ("The next scan ends it: expired, or published if its command stands on the stream from before.",),
            now,
        )
    if stream is None:
        return Explanation(
            RouteState.UNSERVED,
            (f"No channel {route.channel!r} is installed here: nobody publishes it.",),
            ("It waits until the package of that channel is installed beside the workers.",),
        )
    if gate.state is GateState.PAUSED:
        return _paused(route, gate)
    if gate.state is GateState.PARKED:
        return _parked(route, gate, stream)
    if holds:
        return _held(route, holds)
    return _scheduled(route, queue)


def _to_be_cancelled(route: RouteRecord) -> Explanation:
    why = f"To be cancelled since {ago(route, route.cancel_requested_at)}, by {route.cancelled_by}"
    until = route.lease_expires_at
    if until is None or until <= route.read_at:
        return Explanation(
            RouteState.TO_BE_CANCELLED,
            (f"{why}: no attempt follows.",),
            ("The next scan ends it: cancelled, or published if its command stands on the stream from before.",),
            route.read_at,
        )
    at_work = "its attempt is under way" if not is_handover(route.lease_token) else "it was handed over to the workers"
    return Explanation(
        RouteState.TO_BE_CANCELLED,
        (f"{why}: {at_work}, until {readable(until)} at the latest.",),
        ("Once that has ended, it is cancelled, or published if its command was written. No further attempt follows.",),
        until,
    )


def _leased(route: RouteRecord, until: datetime) -> Explanation:
    if is_handover(route.lease_token):
        return Explanation(
            RouteState.LEASED,
            (f"Intake has handed it over to the workers until {readable(until)}: {_attempt(route)}.",),
            (f"A worker publishes it any moment. If none does, the route is free {ahead(route, until)}.",),
            until,
        )
    return Explanation(
        RouteState.LEASED,
        (f"Leased until {readable(until)} by a worker, which is at work on it: {_attempt(route)}.",),
        (f"The attempt ends any moment. If its worker dies, the route is free {ahead(route, until)}.",),
        until,
    )


def _paused(route: RouteRecord, gate: Gate) -> Explanation:
    why = f"Channel {gate.channel} is paused by {gate.paused_by} since {ago(route, gate.paused_at)}"
    resume = Advice("It waits until the channel is resumed", Remedy.RESUME_CHANNEL, gate.channel)
    return Explanation(
        RouteState.PAUSED,
        (f"{why}: {gate.pause_reason!r}.",),
        (resume, *_not_before(route)),
    )


def _parked(route: RouteRecord, gate: Gate, stream: str | None) -> Explanation:
    probed = f", probed {times(gate.probes, 'time')} so far" if gate.probes else ""
    reason = (gate.park_reason or "").rstrip(".")
    probe_at = gate.probe_at or route.read_at
    upcoming: list[Sentence] = []
    if stream is not None and is_held_back(reason):
        upcoming.append(
            f"The readers of {stream} must read and acknowledge its commands: 'publisher channels list' shows how far"
            " each group is. A group that nobody uses any more holds the channel back as well, until it is destroyed."
        )
    elif stream is not None:
        upcoming.append(f"It is published once {stream_takes_commands(reason, stream)}.")
    when = f"is {ahead(route, probe_at)}" if probe_at > route.read_at else "is due"
    probe = f"The next probe {when}: it tries a few routes, and the first that is taken opens the channel."
    return Explanation(
        RouteState.PARKED,
        (f"Channel {gate.channel} is parked since {ago(route, gate.parked_at)}{probed}: {reason}.",),
        (*upcoming, probe, *_not_before(route)),
        max(probe_at, route.read_at),
    )


def _held(route: RouteRecord, holds: Sequence[HoldRecord]) -> Explanation:
    hold, others = holds[0], [str(other.id) for other in holds[1:]]
    by = f"Held by {hold.held_by} since {ago(route, hold.held_at)}: {hold.reason!r}."
    matched_too, until = "", "It waits until the hold is removed"
    if others:
        matched_too = f" Hold{'s' if others[1:] else ''} {names(others)} match{'' if others[1:] else 'es'} it as well."
        until = f"It waits until all {len(holds)} holds are removed, the first with"
    return Explanation(
        RouteState.HELD,
        (f"{by} Hold {hold.id} matches {worded(hold.criteria)}.{matched_too}",),
        (Advice(until, Remedy.REMOVE_HOLD, str(hold.id)), *_not_before(route)),
    )


def _scheduled(route: RouteRecord, queue: LimitedQueue | None) -> Explanation:
    due_at = route.next_attempt_at or route.read_at
    if due_at > route.read_at:
        return Explanation(RouteState.WAITING, (), (f"Due {ahead(route, due_at)}: {_attempt(route)}.",), due_at)
    why = [f"Due since {ago(route, due_at)}."]
    if route.lease_expires_at is not None:
        lease = "handover to the workers" if is_handover(route.lease_token) else "lease of its last worker"
        why.append(f"The {lease} ended {ago(route, route.lease_expires_at)}: it is free.")
    if queue is not None:
        why.append(waits(queue))
    if queue is not None and queue.before:
        return Explanation(RouteState.LIMITED, tuple(why), (lasts(queue, _attempt(route)),), route.read_at)
    upcoming: list[Sentence] = [
        lasts(queue, _attempt(route)) if queue else f"A worker takes it with its next claim: {_attempt(route)}."
    ]
    if route.read_at - due_at >= _LATE + (between(queue) if queue else timedelta(0)):
        upcoming.append(Advice("That is late: are workers running and keeping up?", Remedy.CHECK_STATUS))
    return Explanation(RouteState.DUE, tuple(why), tuple(upcoming), route.read_at)


def _not_before(route: RouteRecord) -> list[str]:
    if route.next_attempt_at is None or route.next_attempt_at <= route.read_at:
        return []
    return [f"It is due {ahead(route, route.next_attempt_at)} at the earliest: {_attempt(route)}."]


def _attempt(route: RouteRecord) -> str:
    return f"attempt {route.attempt_count + 1} of {route.max_attempts}"


def _deadline(route: RouteRecord) -> list[str]:
    if route.expires_at is None or route.expires_at <= route.read_at:
        return []
    if route.next_attempt_at is not None and route.next_attempt_at >= route.expires_at:
        return [f"Its deadline comes before that: it expires {ahead(route, route.expires_at)}."]
    return [f"Not published by its deadline, {ahead(route, route.expires_at)}, it expires."]


def _first(route: RouteRecord, next_at: datetime | None) -> datetime | None:
    if route.expires_at is None:
        return next_at
    deadline = max(route.expires_at, route.read_at)
    return deadline if next_at is None else min(next_at, deadline)
