"""Why a route is where it is, and what happens next and when: in words, for the people who run the service (R3-R5a)."""

import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.domain.attempt import LEASE_EXPIRED, LEASE_LOSS_LIMIT
from publisher.domain.circuit import Gate, GateState
from publisher.domain.instants import readable
from publisher.domain.notification import RouteStatus
from publisher.operations.wording import span
from storage.routes import RouteRecord

# A route that is due for so long is late: scans and messages look every few seconds.
_LATE = timedelta(minutes=1)


class RouteState(StrEnum):
    """What a route is waiting for, or how it ended."""

    WAITING = "waiting"
    DUE = "due"
    LEASED = "leased"
    TOO_LATE = "too_late"
    UNSERVED = "unserved"
    PAUSED = "paused"
    PARKED = "parked"
    PUBLISHED = "published"
    DEAD_LETTER = "dead_letter"
    SKIPPED = "skipped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Explanation:
    """why and next: sentences. next_at: when something happens at the earliest; None: nothing does by itself."""

    state: RouteState
    why: tuple[str, ...]
    next: tuple[str, ...]
    next_at: datetime | None = None


def explain(route: RouteRecord, gate: Gate, stream: str | None) -> Explanation:
    """Why the route is where it is, and what comes next.

    gate: its channel's. stream: where its channel publishes now; None if no channel of that name is installed.
    """
    if route.status is RouteStatus.PUBLISHED:
        return _published(route, stream)
    if route.status is RouteStatus.DEAD_LETTER:
        return _dead_letter(route)
    if route.status is RouteStatus.SKIPPED:
        return _skipped(route)
    if route.status is RouteStatus.EXPIRED:
        return _expired(route)
    here = _open(route, gate, stream)
    return Explanation(
        here.state,
        (*_so_far(route), *_elsewhere(route, stream), *here.why),
        (*here.next, *_deadline(route)),
        _first(route, here.next_at),
    )


def _published(route: RouteRecord, stream: str | None) -> Explanation:
    where = route.stream or stream or f"the stream of {route.channel}, which is not installed here"
    entry = f"stream entry {route.stream_entry_id}" if route.stream_entry_id else "a stream entry that was not recorded"
    failed = f", after {_times(route.attempt_count, 'failed attempt')}" if route.attempt_count else ""
    why = [f"Published {_ago(route, route.published_at)} as {entry} of {where}{failed}.", *_replays(route)]
    if route.expires_at is not None and route.expires_at <= route.read_at:
        again = f"Its deadline was {_ago(route, route.expires_at)}: it is not published again."
    else:
        again = f"To have it published again: publisher routes republish {shlex.quote(route.delivery_id)}"
    return Explanation(RouteState.PUBLISHED, tuple(why), ("Nothing: the rest is its consumers' matter.", again))


def _dead_letter(route: RouteRecord) -> Explanation:
    made = f"{route.attempt_count} of {_times(route.max_attempts, 'attempt')} made"
    if route.last_failure_classification == LEASE_EXPIRED:
        made += "; the workers that leased it ended without telling"
    why = f"Dead-lettered {_ago(route, route.dead_lettered_at)} because {_failure(route)} ({made})."
    if route.expires_at is not None and route.expires_at <= route.read_at:
        late = _ago(route, route.expires_at)
        upcoming = f"Nothing: its deadline was {late}, so it is not taken back and never sent late."
    else:
        requeue = f"publisher dead-letters requeue {shlex.quote(route.delivery_id)}"
        upcoming = f"Nothing by itself. Once the reason is gone, take it back: {requeue}"
    return Explanation(RouteState.DEAD_LETTER, (why, *_replays(route)), (upcoming,))


def _skipped(route: RouteRecord) -> Explanation:
    why = f"Skipped when it was accepted, {_ago(route, route.created_at)}"
    return Explanation(
        RouteState.SKIPPED,
        (f"{why}: the recipient {route.recipient_ref} has no address for {route.channel}.",),
        ("Nothing. An intent that has the address, under another idempotency key, makes a new notification.",),
    )


def _expired(route: RouteRecord) -> Explanation:
    why = [f"Expired: its deadline was {_ago(route, route.expires_at)}, and it was not published by then."]
    if route.last_failure_at is not None:
        why.append(f"Its last failed attempt, {_ago(route, route.last_failure_at)}: {_failure(route)}.")
    return Explanation(RouteState.EXPIRED, (*why, *_replays(route)), ("Nothing: it is never sent late.",))


def _so_far(route: RouteRecord) -> list[str]:
    why = _replays(route)
    if route.attempt_count:
        why.append(
            f"Attempt {route.attempt_count} of {route.max_attempts} failed {_ago(route, route.last_failure_at)}:"
            f" {_failure(route)}."
        )
    elif route.last_failure_at is not None or route.replay:
        why.append(f"Open again, with all {_times(route.max_attempts, 'attempt')} before it.")
    else:
        why.append(f"Accepted {_ago(route, route.created_at)}; no attempt has failed.")
    if route.lease_loss_count:
        why.append(
            f"{_times(route.lease_loss_count, 'lease')} in a row ended without an outcome: the worker died or hung."
            f" With {LEASE_LOSS_LIMIT} it is given up."
        )
    return why


def _elsewhere(route: RouteRecord, stream: str | None) -> list[str]:
    if route.stream is None or stream is None or route.stream == stream:
        return []
    return [f"An attempt was begun when its stream was {route.stream}: its command is looked for there first."]


def _open(route: RouteRecord, gate: Gate, stream: str | None) -> Explanation:
    """What an open route waits for: the first of all things that keep it from being claimed."""
    now = route.read_at
    if route.lease_expires_at is not None and route.lease_expires_at > now:
        return _leased(route, route.lease_expires_at)
    if route.expires_at is not None and route.expires_at <= now:
        return Explanation(
            RouteState.TOO_LATE,
            (f"Its deadline was {_ago(route, route.expires_at)}.",),
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
        return _parked(route, gate)
    return _scheduled(route)


def _leased(route: RouteRecord, until: datetime) -> Explanation:
    return Explanation(
        RouteState.LEASED,
        (f"Leased until {readable(until)} by a worker, which is at work on it: {_attempt(route)}.",),
        (f"The attempt ends any moment. If its worker dies, the route is free {_ahead(route, until)}.",),
        until,
    )


def _paused(route: RouteRecord, gate: Gate) -> Explanation:
    why = f"Channel {gate.channel} is paused by {gate.paused_by} since {_ago(route, gate.paused_at)}"
    resume = f"publisher channels resume {shlex.quote(gate.channel)}"
    return Explanation(
        RouteState.PAUSED,
        (f"{why}: {gate.pause_reason!r}.",),
        (f"It waits until the channel is resumed: {resume}", *_not_before(route)),
    )


def _parked(route: RouteRecord, gate: Gate) -> Explanation:
    probed = f", probed {_times(gate.probes, 'time')} so far" if gate.probes else ""
    reason = (gate.park_reason or "").rstrip(".")
    probe_at = gate.probe_at or route.read_at
    when = f"is {_ahead(route, probe_at)}" if probe_at > route.read_at else "is due"
    probe = f"The next probe {when}: it tries a few routes, and the first that is taken opens the channel."
    return Explanation(
        RouteState.PARKED,
        (f"Channel {gate.channel} is parked since {_ago(route, gate.parked_at)}{probed}: {reason}.",),
        (probe, *_not_before(route)),
        max(probe_at, route.read_at),
    )


def _scheduled(route: RouteRecord) -> Explanation:
    due_at = route.next_attempt_at or route.read_at
    if due_at > route.read_at:
        return Explanation(RouteState.WAITING, (), (f"Due {_ahead(route, due_at)}: {_attempt(route)}.",), due_at)
    why = [f"Due since {_ago(route, due_at)}."]
    if route.lease_expires_at is not None:
        why.append(f"The lease of its last worker ended {_ago(route, route.lease_expires_at)}: it is free.")
    upcoming = [f"A worker takes it with its next claim: {_attempt(route)}."]
    if route.read_at - due_at >= _LATE:
        upcoming.append("That is late: are workers running and keeping up? 'publisher status' says more.")
    return Explanation(RouteState.DUE, tuple(why), tuple(upcoming), route.read_at)


def _not_before(route: RouteRecord) -> list[str]:
    if route.next_attempt_at is None or route.next_attempt_at <= route.read_at:
        return []
    return [f"It is due {_ahead(route, route.next_attempt_at)} at the earliest: {_attempt(route)}."]


def _attempt(route: RouteRecord) -> str:
    return f"attempt {route.attempt_count + 1} of {route.max_attempts}"


def _deadline(route: RouteRecord) -> list[str]:
    if route.expires_at is None or route.expires_at <= route.read_at:
        return []
    if route.next_attempt_at is not None and route.next_attempt_at >= route.expires_at:
        return [f"Its deadline comes before that: it expires {_ahead(route, route.expires_at)}."]
    return [f"Not published by its deadline, {_ahead(route, route.expires_at)}, it expires."]


def _first(route: RouteRecord, next_at: datetime | None) -> datetime | None:
    if route.expires_at is None:
        return next_at
    deadline = max(route.expires_at, route.read_at)
    return deadline if next_at is None else min(next_at, deadline)


def _replays(route: RouteRecord) -> list[str]:
    return [f"Its command was replayed {_times(route.replay, 'time')}, by an operator."] if route.replay else []


def _failure(route: RouteRecord) -> str:
    message = (route.last_failure_message or "").rstrip(".")
    return f"{route.last_failure_classification}: {message}" if message else str(route.last_failure_classification)


def _ago(route: RouteRecord, instant: datetime | None) -> str:
    if instant is None:
        return "at a time that was not recorded"
    return f"{readable(instant)} ({span(max(route.read_at - instant, timedelta(0)))} ago)"


def _ahead(route: RouteRecord, instant: datetime) -> str:
    return f"in {span(instant - route.read_at)} ({readable(instant)})"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
