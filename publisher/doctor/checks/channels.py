"""Whether what is accepted gets published: what is due, whose leases nobody reclaims, gates, channels nobody serves."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.domain.circuit import Gate, GateState
from publisher.operations.wording import names, span
from storage.backlogs import Backlog

# A lease that is over is free, and due: whoever claims next takes it. Nobody has for so many leases: nobody claims.
ORPHANED_AFTER_LEASES = 3
# However short the intervals are: a burst alone may take so long.
_AT_LEAST = timedelta(minutes=1)
_NOBODY_WORKS = "are workers running and well (dramatiq publisher.actors)? their logs and 'publisher status' say more"


def due(
    backlogs: Sequence[Backlog], gates: Mapping[str, Gate], *, scan_interval: timedelta, lease_ttl: timedelta
) -> Diagnosis:
    """Routes that have been due for longer than three scans (R14a) and a lease. A closed channel's may wait."""
    patience = max(3 * scan_interval + lease_ttl, _AT_LEAST)
    waits = {b.channel: b.oldest_due for b in _open(backlogs, gates) if b.oldest_due is not None}
    late = [
        warning(f"{channel}: due for {span(wait)} and not published", _NOBODY_WORKS)
        for channel, wait in waits.items()
        if wait > patience
    ]
    return together(late, "; ".join(f"{c}: due for {span(w)} at most" for c, w in waits.items()) or "nothing waits")


def leases(backlogs: Sequence[Backlog], gates: Mapping[str, Gate]) -> Diagnosis:
    """Leases that were over several leases ago, and that nobody has taken over since (R5)."""
    orphaned = [
        warning(f"{b.channel}: {b.orphaned:,} leases over for up to {span(b.longest_over)}", _NOBODY_WORKS)
        for b in _open(backlogs, gates)
        if b.orphaned and b.longest_over is not None
    ]
    return together(orphaned, "none is left behind")


def closed(gates: Mapping[str, Gate]) -> Diagnosis:
    """Channels that are paused or parked: nothing of them is published meanwhile."""
    complaints = []
    for gate in gates.values():
        if gate.state is GateState.PAUSED:
            complaints.append(
                warning(
                    f"{gate.channel} is paused by {gate.paused_by}: {gate.pause_reason}",
                    f"once the reason is gone: publisher channels resume {gate.channel}",
                )
            )
        elif gate.state is GateState.PARKED:
            complaints.append(
                warning(
                    f"{gate.channel} is parked: {gate.park_reason}",
                    "mend its stream, or have the reader that is behind read on: it is probed by itself, and"
                    " opens with the first command that is taken",
                )
            )
    return together(complaints, "no channel is paused or parked")


def served(backlogs: Sequence[Backlog], installed: Collection[str]) -> Diagnosis:
    """Open routes of a channel that is not installed here: nobody ever publishes them (R24)."""
    unserved = [b.channel for b in backlogs if b.channel not in installed]
    if unserved:
        return failed(
            f"open routes of channels that are not installed: {names(unserved)}",
            "install the package that brings the channel wherever the service runs, or name the channel as it was",
        )
    return ok(f"every open route has its channel: {names(sorted(installed))}")


def _open(backlogs: Sequence[Backlog], gates: Mapping[str, Gate]) -> list[Backlog]:
    shut = {channel for channel, gate in gates.items() if gate.state is not GateState.OPEN}
    return [b for b in backlogs if b.channel not in shut]
