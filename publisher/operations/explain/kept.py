"""Explains what keeps an open route from being claimed: its channel and holds, and all that must be undone (R29)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.circuit import Gate, GateState
from publisher.operations.explain.explanation import Explanation, RouteState, ago, ahead, attempt, times
from publisher.operations.explain.failure_cause import stream_takes_commands
from publisher.operations.explain.limited_queue import LimitedQueue, afterwards
from publisher.operations.holds.holds import HoldRecord, worded
from publisher.operations.remedy.remedy import Advice, Remedy, Sentence
from publisher.operations.wording import names
from publisher.streams.append_result import is_held_back
from storage.routes import RouteRecord


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Something that keeps a route from being claimed, whatever else does.

    why: since when and for what reason.
    until: what ends it, as words that follow `It waits until`.
    alone: what is said of its end if nothing else keeps the route.
    beside: what is said of its end if `until` was said before.
    next_at: when the next thing happens by itself; None: nothing does.
    """

    state: RouteState
    why: str
    until: str
    alone: tuple[Sentence, ...]
    beside: tuple[Sentence, ...]
    next_at: datetime | None = None


def explain_kept(
    route: RouteRecord, gate: Gate, stream: str | None, queue: LimitedQueue | None, holds: Sequence[HoldRecord]
) -> Explanation | None:
    """Names everything that keeps the route from being claimed. None: nothing does.

    The state is that of the first. queue: its place before its channel's rate limit, which counts once all are undone.
    """
    obstacles = [*_of_channel(route, gate, stream), *_of_holds(route, holds)]
    if not obstacles:
        return None
    first = obstacles[0]
    said: list[Sentence] = [*first.alone]
    if len(obstacles) > 1:
        *until, last = [obstacle.until for obstacle in obstacles]
        said = [
            f"It waits until {', '.join(until)} and {last}.",
            *(sentence for obstacle in obstacles for sentence in obstacle.beside),
        ]
    return Explanation(
        first.state,
        tuple(obstacle.why for obstacle in obstacles),
        (*said, *_not_before(route), *([afterwards(queue)] if queue is not None else [])),
        first.next_at,
        tuple(holds),
        queue,
    )


def _of_channel(route: RouteRecord, gate: Gate, stream: str | None) -> list[_Obstacle]:
    obstacles = []
    if stream is None:
        why = f"No channel {route.channel!r} is installed here: nobody publishes it."
        until = "the package of that channel is installed beside the workers"
        obstacles.append(_Obstacle(RouteState.UNSERVED, why, until, (f"It waits until {until}.",), ()))
    if gate.state is GateState.PAUSED:
        obstacles.append(_paused(route, gate))
    if gate.state is GateState.PARKED:
        obstacles.append(_parked(route, gate, stream))
    return obstacles


def _paused(route: RouteRecord, gate: Gate) -> _Obstacle:
    until = "the channel is resumed"
    return _Obstacle(
        RouteState.PAUSED,
        f"Channel {gate.channel} is paused by {gate.paused_by} since {ago(route, gate.paused_at)}:"
        f" {gate.pause_reason!r}.",
        until,
        (Advice(f"It waits until {until}", Remedy.RESUME_CHANNEL, gate.channel),),
        (Advice("To resume the channel", Remedy.RESUME_CHANNEL, gate.channel),),
    )


def _parked(route: RouteRecord, gate: Gate, stream: str | None) -> _Obstacle:
    probed = f", probed {times(gate.probes, 'time')} so far" if gate.probes else ""
    reason = (gate.park_reason or "").rstrip(".")
    probe_at = gate.probe_at or route.read_at
    when = f"is {ahead(route, probe_at)}" if probe_at > route.read_at else "is due"
    probe = f"The next probe {when}: it tries a few routes, and the first that is taken opens the channel."
    alone, beside = [probe], [probe]
    if stream is not None and is_held_back(reason):
        read = (
            f"The readers of {stream} must read and acknowledge its commands: 'publisher channels list' shows how far"
            " each group is. A group that nobody uses any more holds the channel back as well, until it is destroyed."
        )
        alone, beside = [read, probe], [read, probe]
    elif stream is not None:
        takes = stream_takes_commands(reason, stream)
        alone, beside = [f"It is published once {takes}.", probe], [f"The channel opens once {takes}.", probe]
    return _Obstacle(
        RouteState.PARKED,
        f"Channel {gate.channel} is parked since {ago(route, gate.parked_at)}{probed}: {reason}.",
        "the channel is open again",
        tuple(alone),
        tuple(beside),
        max(probe_at, route.read_at),
    )


def _of_holds(route: RouteRecord, holds: Sequence[HoldRecord]) -> list[_Obstacle]:
    """Returns one obstacle for all holds: they are listed and removed at one place."""
    if not holds:
        return []
    hold, others = holds[0], [str(other.id) for other in holds[1:]]
    by = f"Held by {hold.held_by} since {ago(route, hold.held_at)}: {hold.reason!r}."
    matched_too, until, first = "", f"hold {hold.id} is removed", "It waits until the hold is removed"
    remove = "To remove the hold"
    if others:
        matched_too = f" Hold{'s' if others[1:] else ''} {names(others)} match{'' if others[1:] else 'es'} it as well."
        until = f"holds {names([str(hold.id), *others])} are removed"
        first = f"It waits until all {len(holds)} holds are removed, the first with"
        remove = "To remove the first hold"
    return [
        _Obstacle(
            RouteState.HELD,
            f"{by} Hold {hold.id} matches {worded(hold.criteria)}.{matched_too}",
            until,
            (Advice(first, Remedy.REMOVE_HOLD, str(hold.id)),),
            (Advice(remove, Remedy.REMOVE_HOLD, str(hold.id)),),
        )
    ]


def _not_before(route: RouteRecord) -> list[str]:
    if route.next_attempt_at is None or route.next_attempt_at <= route.read_at:
        return []
    return [f"It is due {ahead(route, route.next_attempt_at)} at the earliest: {attempt(route)}."]
