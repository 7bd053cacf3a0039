"""Explains why a route is where it is, what happens next and when, for the people who run the service (R3-R5a)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from publisher.domain.attempt import LEASE_LOSS_LIMIT
from publisher.domain.circuit import Gate
from publisher.domain.instants import readable
from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explanation import (
    Explanation,
    RouteState,
    ago,
    ahead,
    attempt,
    failure,
    replays,
    times,
)
from publisher.operations.explain.failure_cause import another_intent, cause_of
from publisher.operations.explain.final import (
    explain_cancelled,
    explain_dead_letter,
    explain_expired,
    explain_published,
    explain_skipped,
)
from publisher.operations.explain.kept import explain_kept
from publisher.operations.explain.limited_queue import LimitedQueue, lasts, waits
from publisher.operations.holds.holds import HoldRecord
from publisher.operations.remedy.remedy import Advice, Remedy, Sentence
from storage.claiming.handover import is_handover
from storage.dead_letters import DeadLetterRecord
from storage.mail.progress import MailProgress
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
    mail: MailProgress | None = None,
) -> Explanation:
    """Explains the route as it stood when it was read.

    gate: its channel's.
    stream: where its channel publishes now. None: no channel of that name is installed.
    letter: its newest dead letter, or None.
    queue: its place before its channel's rate limit, or None if that has none.
    holds: those that match it, the oldest first.
    mail: how far our mail service has come with it, or None.
    """
    if route.status is RouteStatus.PUBLISHED:
        return explain_published(route, stream, mail)
    if route.status is RouteStatus.DEAD_LETTER:
        return explain_dead_letter(route, stream, letter)
    if route.status is RouteStatus.SKIPPED:
        return explain_skipped(route)
    if route.status is RouteStatus.EXPIRED:
        return explain_expired(route, mail)
    if route.status is RouteStatus.CANCELLED:
        return explain_cancelled(route, mail)
    here = _open(route, gate, stream, queue, holds)
    if here.state is RouteState.TO_BE_CANCELLED:
        return Explanation(here.state, (*_so_far(route), *here.why), here.next, here.next_at)
    return Explanation(
        here.state,
        (*_so_far(route), *_elsewhere(route, stream), *here.why),
        (*here.next, *_hopeless(route, stream), *_deadline(route)),
        _first(route, here.next_at),
        here.holds,
        here.queue,
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
    """Names the things that keep an open route from being claimed, or what it waits for."""
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
    return explain_kept(route, gate, stream, queue, holds) or _scheduled(route, queue)


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
            (f"Intake has handed it over to the workers until {readable(until)}: {attempt(route)}.",),
            (f"A worker publishes it any moment. If none does, the route is free {ahead(route, until)}.",),
            until,
        )
    return Explanation(
        RouteState.LEASED,
        (f"Leased until {readable(until)} by a worker, which is at work on it: {attempt(route)}.",),
        (f"The attempt ends any moment. If its worker dies, the route is free {ahead(route, until)}.",),
        until,
    )


def _scheduled(route: RouteRecord, queue: LimitedQueue | None) -> Explanation:
    due_at = route.next_attempt_at or route.read_at
    if due_at > route.read_at:
        return Explanation(RouteState.WAITING, (), (f"Due {ahead(route, due_at)}: {attempt(route)}.",), due_at)
    why = [f"Due since {ago(route, due_at)}."]
    if route.lease_expires_at is not None:
        lease = "handover to the workers" if is_handover(route.lease_token) else "lease of its last worker"
        why.append(f"The {lease} ended {ago(route, route.lease_expires_at)}: it is free.")
    if queue is not None:
        why.append(waits(queue))
    if queue is not None and queue.before:
        return Explanation(RouteState.LIMITED, tuple(why), lasts(queue, attempt(route)), route.read_at, queue=queue)
    upcoming: list[Sentence] = [f"A worker takes it with its next claim: {attempt(route)}."]
    if queue is not None:
        upcoming = [*lasts(queue, attempt(route))]
    if route.read_at - due_at >= _LATE + (queue.limit.takes(1) if queue else timedelta(0)):
        upcoming.append(Advice("That is late: are workers running and keeping up?", Remedy.CHECK_STATUS))
    return Explanation(RouteState.DUE, tuple(why), tuple(upcoming), route.read_at, queue=queue)


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
