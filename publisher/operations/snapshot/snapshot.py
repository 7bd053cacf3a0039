"""A snapshot of the service as a value: the waiting routes and entries, the current activity, the running processes.

`operations.snapshots` takes it. PostgreSQL's half and Redis's half stand apart: a server that is away hides nothing of
the other (R35).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from publisher.domain.circuit import Gate
from publisher.domain.errors import PublisherError
from publisher.domain.notification import RouteStatus
from publisher.operations.channels.limits import ChannelLimit
from publisher.operations.channels.readers import CommandReaders
from publisher.streams.given_up import GivenUp
from publisher.streams.groups import Group
from publisher.streams.heartbeats import ProcessSeen
from publisher.streams.hints import QueueState
from storage.accepting.replays import ReplayRecord
from storage.answers.answer_counts import AnswerCounts
from storage.answers.answered_failed import AnsweredFailed
from storage.answers.unanswered import Unanswered
from storage.audit_states import AuditState
from storage.counts.counts import Count, OpenRoutes
from storage.counts.outstanding import Outstanding
from storage.counts.rates import Happened
from storage.holds import HoldRecord
from storage.mail.progress import DeferredMail
from storage.outcomes.failures import FailureRecord


class Counting(Enum):
    """Which totals a snapshot holds.

    NONE: no totals, but the current activity. Finished routes cost nothing, so it can be taken every second.
    ESTIMATED: all totals; more than 100,000 finished routes of one channel and status are estimated.
    EXACT: all totals; every route is counted, which reads the whole table.
    """

    NONE = "none"
    ESTIMATED = "estimated"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Totals:
    """What has accumulated in PostgreSQL.

    routes: by channel and status; a pair that is missing has no route.
    malformed: intents that were not accepted and not resubmitted.
    replay: the newest replay of intents, or None if there was none.
    losses: losses of intents that no operator has acknowledged.
    answers: the delivery events of the last hour.
    deferred: the messages that our own mail service tries again later.
    """

    routes: Mapping[tuple[str, RouteStatus], Count] = field(default_factory=dict)
    malformed: int = 0
    replay: ReplayRecord | None = None
    losses: int = 0
    answers: AnswerCounts = field(default_factory=AnswerCounts)
    deferred: DeferredMail = field(default_factory=DeferredMail)

    def count(self, channel: str, status: RouteStatus) -> Count:
        """Returns how many routes of the channel have this status."""
        return self.routes.get((channel, status), Count())


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """PostgreSQL's half of a snapshot. Mappings are by channel; a channel that is missing has the default.

    at: when it was read, by the database's clock.
    channels: in order, those that are installed and all others that this snapshot knows something of.
    window: the time in which the routes of `happened` were published, failed or were dead-lettered; zero beside totals.
    failures: the newest failed attempts, newest first; none beside totals.
    totals: None if the activity was asked for.
    limits: the rate limits, each with how much of it is used.
    outstanding: what waits for an operator.
    holds: those in force, the oldest first.
    unanswered: routes without an answer in time, of each channel that expects answers.
    answered_failed: routes that were answered `failed` within the last hour by a fault to mend, where there are any.
    """

    at: datetime
    channels: Sequence[str] = ()
    window: timedelta = timedelta(0)
    happened: Mapping[str, Happened] = field(default_factory=dict)
    open_routes: Mapping[str, OpenRoutes] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    audits: Mapping[str, AuditState] = field(default_factory=dict)
    failures: Sequence[FailureRecord] = ()
    totals: Totals | None = None
    limits: Mapping[str, ChannelLimit] = field(default_factory=dict)
    outstanding: Outstanding = field(default_factory=Outstanding)
    holds: Sequence[HoldRecord] = ()
    unanswered: Mapping[str, Unanswered] = field(default_factory=dict)
    answered_failed: Mapping[str, AnsweredFailed] = field(default_factory=dict)

    def activity(self, channel: str) -> Happened:
        """Returns what happened on the channel within the window."""
        return self.happened.get(channel, Happened())

    def open(self, channel: str) -> OpenRoutes:
        """Returns the channel's open routes."""
        return self.open_routes.get(channel, OpenRoutes())

    def gate(self, channel: str) -> Gate:
        """Returns whether the channel is open, paused or parked."""
        return self.gates.get(channel, Gate(channel))

    def audit(self, channel: str) -> AuditState:
        """Returns how far the loss audit of the channel has come."""
        return self.audits.get(channel, AuditState(channel))


@dataclass(frozen=True, slots=True)
class StreamsSnapshot:
    """Redis's half of a snapshot.

    intents: the service's group on the intents stream; None: it could not be read.
    queues: Dramatiq's, by channel.
    readers: who reads the commands, by installed channel.
    events: the service's group on the stream of delivery events; None: it could not be read.
    unread: why the intents stream could not be read, which has a Redis of its own; None: it was read.
    given_up: the streams that were given up and on which entries wait, as a worker last found them; None: no worker has
        looked within five minutes.
    """

    intents: Group | None = field(default_factory=Group)
    processes: Sequence[ProcessSeen] = ()
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    readers: Mapping[str, CommandReaders] = field(default_factory=dict)
    events: Group | None = field(default_factory=Group)
    unread: PublisherError | None = None
    given_up: Sequence[GivenUp] | None = ()

    def living(self, role: str) -> Sequence[ProcessSeen]:
        """Returns the processes of this role that are not silent."""
        return [seen for seen in self.processes if seen.process.role == role and not seen.is_silent]

    def queue(self, channel: str) -> QueueState:
        """Returns the length of the channel's queue."""
        return self.queues.get(channel, QueueState())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `store` or `streams` is the error instead, if that server could not be read.

    at: when it was taken, by this machine's clock.
    installed: the channels that are installed.
    audit_interval: how often a channel's audit is due; zero if audits are off.
    """

    at: datetime
    store: StoreSnapshot | PublisherError
    streams: StreamsSnapshot | PublisherError
    installed: Sequence[str]
    audit_interval: timedelta

    @property
    def channels(self) -> Sequence[str]:
        """The channels, in order; only those that are installed if PostgreSQL could not be read."""
        return sorted(self.installed) if isinstance(self.store, PublisherError) else self.store.channels

    @property
    def problems(self) -> Sequence[str]:
        """Why a server could not be read; empty if all were."""
        of_intents = None if isinstance(self.streams, PublisherError) else self.streams.unread
        return [str(error) for error in (self.store, self.streams, of_intents) if isinstance(error, PublisherError)]
