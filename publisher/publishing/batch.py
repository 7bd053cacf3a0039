"""A batch in progress: one claim, the outcome decided for each of its routes, and what became of each outcome."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from publisher.domain.attempt import Outcome
from publisher.domain.channel import Channel
from publisher.domain.errors import DatabaseUnavailable, RouteError
from publisher.domain.notification import Notification
from publisher.domain.traceparent import Traceparent
from storage.claiming.claims import Claim
from storage.outcomes.recording import NotRecorded, Recorded, Recording


def _no_room() -> bool:
    return False


@dataclass
class Batch:
    """One claim on its way through an attempt. A route without an outcome gives its lease back at the end (R5).

    began: monotonic seconds, before the routes were read.
    is_probe: the batch tries a parked channel.
    outcomes: decided so far, at most one a route.
    recordings: what became of the outcomes; empty until they are recorded.
    errors: what cannot happen and did before its outcomes were recorded, each naming its route (R10).
    is_cut_short: some routes were not begun, for want of time or because the process stops. They are given back.
    is_unreachable: Redis did not answer.
    wait: the time until the channel's rate limit lets other routes through. None: no route waits for that (R30).
    promised: how many tokens of the rate limit are promised to it and not taken by a command yet (R30).
    leave_room: called at its end; True if another claim waits for the room that it takes (see `sharing`).
    is_followed_at_once: the next batch of the channel may begin beside this one. False: it begins after this one.
    notifications: by route key.
    contexts: the place of each route in its producer's trace, by route key; None: the producer gave no trace context.
        Empty: tracing is off.
    """

    channel: Channel
    claim: Claim
    began: float
    is_probe: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    recordings: Sequence[Recording] = ()
    errors: list[str] = field(default_factory=list)
    is_cut_short: bool = False
    is_unreachable: bool = False
    wait: timedelta | None = None
    promised: int = 0
    leave_room: Callable[[], bool] = _no_room
    is_followed_at_once: bool = True
    notifications: Mapping[int, Notification] = field(init=False)
    contexts: Mapping[int, Traceparent | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notifications = {
            claimed.route.id: claimed.notification for claimed in self.claim.routes if claimed.notification
        }

    @property
    def recorded(self) -> list[Recorded]:
        """The outcomes that are on record."""
        return [recording for recording in self.recordings if isinstance(recording, Recorded)]

    def raise_errors(self) -> None:
        """Raises RouteError if some of its routes ended in a way that cannot happen, naming each (R10).

        Its cause is PostgreSQL's error, if nothing but an outage kept outcomes from being recorded (R35).
        """
        unrecorded: dict[str, list[NotRecorded]] = {}
        for recording in self.recordings:
            if isinstance(recording, NotRecorded):
                unrecorded.setdefault(str(recording.reason), []).append(recording)
        told = [*self.errors, *(_unrecorded(some, reason) for reason, some in unrecorded.items())]
        if told:
            reasons = [some[0].reason for some in unrecorded.values()]
            is_outage = not self.errors and all(isinstance(reason, DatabaseUnavailable) for reason in reasons)
            raise RouteError("; ".join(told)) from (reasons[0] if is_outage else None)


def _unrecorded(some: Sequence[NotRecorded], reason: str) -> str:
    names = ", ".join(recording.outcome.route.delivery_id for recording in some)
    what = f"the outcome of route {names} was" if len(some) == 1 else f"the outcomes of routes {names} were"
    return f"{what} not recorded: {reason}"
