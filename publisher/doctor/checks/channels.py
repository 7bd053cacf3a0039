"""Whether what is accepted gets published: what is due, whose leases nobody reclaims, gates, channels nobody serves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.domain.circuit import Gate, GateState
from publisher.operations.channels.limits import ChannelLimit
from publisher.operations.holds.holds import HoldRecord, holds_on, worded
from publisher.operations.wording import names, span
from storage.counts.backlogs import Backlog

# A lease that is over is free, and due: whoever claims next takes it. Nobody has for so many leases: nobody claims.
ORPHANED_AFTER_LEASES = 3
# However short the intervals are: a burst alone may take so long.
_AT_LEAST = timedelta(minutes=1)
_NOBODY_WORKS = "are workers running and well (dramatiq publisher.actors)? their logs and 'publisher status' say more"


def due(
    backlogs: Sequence[Backlog],
    gates: Mapping[str, Gate],
    limits: Mapping[str, ChannelLimit],
    holds: Sequence[HoldRecord],
    *,
    scan_interval: timedelta,
    lease_ttl: timedelta,
) -> Diagnosis:
    """Routes that have been due for longer than three scans (R14a) and a lease. A closed channel's may wait.

    Those may wait as well that a hold or a rate limit keeps back: no worker is to blame then (R29, R30).
    limits: each with how much of it is used.
    """
    patience = max(3 * scan_interval + lease_ttl, _AT_LEAST)
    waits = {b.channel: b.oldest_due for b in _open(backlogs, gates) if b.oldest_due is not None}
    late, said = [], []
    for channel, wait in waits.items():
        limit = limits.get(channel)
        if holds_on(channel, holds):
            said.append(f"{channel}: due for {span(wait)} at most, held or not: see gates")
        elif wait <= patience:
            said.append(f"{channel}: due for {span(wait)} at most")
        elif limit is not None and limit.slows:
            late.append(
                warning(
                    f"{channel}: due for {span(wait)}, for its rate limit of {limit.limit}",
                    f"if that is too slow: publisher channels limit {channel} RATE",
                )
            )
        else:
            late.append(warning(f"{channel}: due for {span(wait)} and not published", _NOBODY_WORKS))
    return together(late, "; ".join(said) or "nothing waits")


def leases(backlogs: Sequence[Backlog], gates: Mapping[str, Gate]) -> Diagnosis:
    """Leases that were over several leases ago, and that nobody has taken over since (R5)."""
    orphaned = [
        warning(f"{b.channel}: {b.orphaned:,} leases over for up to {span(b.longest_over)}", _NOBODY_WORKS)
        for b in _open(backlogs, gates)
        if b.orphaned and b.longest_over is not None
    ]
    return together(orphaned, "none is left behind")


def closed(gates: Mapping[str, Gate], limits: Mapping[str, ChannelLimit], holds: Sequence[HoldRecord]) -> Diagnosis:
    """Channels that are paused or parked, and holds: nothing of them is published meanwhile. Tells of rate limits."""
    complaints = []
    for hold in holds:
        why = f"by {hold.held_by}: {hold.reason}"
        remedy = f"once the reason is gone: publisher holds remove {hold.id}"
        complaints.append(warning(f"hold {hold.id} on {worded(hold.criteria)}, {why}", remedy))
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
    found = together(complaints, "no channel is paused or parked, and there is no hold")
    limited = [f"{name} at {each.limit}" for name, each in limits.items() if each.limit is not None]
    return replace(found, finding=f"{found.finding}; limited: {names(limited)}") if limited else found


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
