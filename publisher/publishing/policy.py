"""The policy by which routes are published and audited, and the hooks of the process that does it."""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from publisher.domain.backoff import Backoff
from publisher.domain.circuit import Probing
from publisher.domain.lanes import Lane
from publisher.domain.shares import WEIGHTS


@dataclass(frozen=True, slots=True)
class Policy:
    """How routes are published and audited. Every process of a deployment has the same.

    lease_ttl: how long a claim holds its routes (R5), and an audit its channel. If its process dies, others wait that
        long.
    batch_size: how many routes a claim takes at most.
    backoff: the time until the next attempt, for channels that bring none of their own (R9).
    probing: when a channel is parked and how it is tried again; None: never, each refusal is an attempt of its route.
    audit_window: how far back the loss audit looks (R12a); 0: there are no audits.
    sent_here: channels whose commands this deployment's own mail service sends. It answers each command, and sends none
        twice: so after a loss the audit looks for all that have no answer.
    handover: how long the lease of a handover lasts (see `storage.claiming.handover`).
    lane_weights: by lane, its part of the routes that are claimed where every lane has more due (R31).
    """

    lease_ttl: timedelta
    batch_size: int
    backoff: Backoff
    probing: Probing | None = None
    audit_window: timedelta = timedelta(0)
    sent_here: Collection[str] = ()
    handover: timedelta = timedelta(0)
    lane_weights: Mapping[Lane, int] = field(default_factory=lambda: WEIGHTS)


def _never() -> bool:
    return False


def _no_beat() -> None:
    return None


def _always(_channel: str, _lasting: timedelta) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Hooks:
    """What publishing asks of its process.

    stopping: true once the process was told to stop. Leased routes that are not begun are given back then (R5).
    beat: called between any two steps, none of which waits longer than `Timeouts.step`: a sign of life.
    roll: a source of random numbers in [0, 1) for the backoff's jitter.
    may_look_back: see `ClaimCursor`.
    """

    stopping: Callable[[], bool] = _never
    beat: Callable[[], object] = _no_beat
    roll: Callable[[], float] = random.random
    may_look_back: Callable[[str, timedelta], bool] = _always
