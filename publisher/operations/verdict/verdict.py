"""The verdict on the service as a value: everything that is wrong, the worst first, or that all is well.

`status`, the page, the metrics and the alerts show the same value. `operations.judge` makes it of a snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

# Routes are claimed and intents accepted within seconds: those that wait for longer are late.
LATE = timedelta(minutes=1)


class Level(StrEnum):
    """How bad a finding is.

    FAILED: work waits and does not go on by itself, or a promise is broken. WARNING: look at it soon.
    """

    FAILED = "failed"
    WARNING = "warning"
    OK = "ok"


class Cause(StrEnum):
    """What is wrong, the worst first. The values are stable names, which programs and alerts may use.

    POSTGRESQL_UNREAD, REDIS_UNREAD: the server could not be read.
    SCHEMA_BEHIND: the schema is older than this release.
    NO_WORKER, NO_INTAKE, NO_CLOCK: no process of this role has given a sign of life lately.
    NOT_INSTALLED: open routes of a channel that is not installed here.
    CIRCUIT_OPEN: a channel is parked, because its stream refuses everything.
    HELD_BACK: a channel is parked, because its readers are behind and its stream is at the ceiling.
    LOSSES: losses of intents that no operator has acknowledged.
    AUDIT_OVERDUE: the loss audit of a channel is overdue.
    LATE: workers run, and routes are late all the same.
    INTENTS_LATE: an intake runs, and intents are late all the same.
    EVENTS_LATE: delivery events wait to be taken in for longer than they should.
    UNANSWERED: routes of a channel have no answer, though one is long expected (R32).
    NOT_READ: the commands of a channel are read by no group, or by one that asks for none.
    ANSWERED_FAILED: commands of a channel were lately answered `failed`, by a fault to mend (R32).
    NO_MAIL: mailers run, and the SMTP server takes no mail from them (R33).
    LIMITED: routes of a channel wait for its rate limit.
    READER_GONE: commands are pending with a consumer that has long asked for nothing.
    GIVEN_UP: entries wait on streams that no settings name any more (R37).
    PAUSED: a channel is paused by an operator.
    HOLDS: holds keep what matches them from being published.
    HELD_MAIL: messages may have been accepted, and an operator is to decide (R33).
    DEAD_LETTERS, MALFORMED: dead letters or malformed intents that wait for an operator.
    NOTHING_SENT: no intent was ever sent.
    ALL_WELL: nothing is wrong.
    """

    POSTGRESQL_UNREAD = "postgresql_unread"
    SCHEMA_BEHIND = "schema_behind"
    REDIS_UNREAD = "redis_unread"
    NO_WORKER = "no_worker"
    NO_INTAKE = "no_intake"
    NOT_INSTALLED = "not_installed"
    CIRCUIT_OPEN = "circuit_open"
    HELD_BACK = "held_back"
    LOSSES = "losses"
    AUDIT_OVERDUE = "audit_overdue"
    LATE = "late"
    INTENTS_LATE = "intents_late"
    EVENTS_LATE = "events_late"
    NO_CLOCK = "no_clock"
    NOT_READ = "not_read"
    READER_GONE = "reader_gone"
    GIVEN_UP = "given_up"
    UNANSWERED = "unanswered"
    ANSWERED_FAILED = "answered_failed"
    NO_MAIL = "no_mail"
    LIMITED = "limited"
    PAUSED = "paused"
    HOLDS = "holds"
    HELD_MAIL = "held_mail"
    DEAD_LETTERS = "dead_letters"
    MALFORMED = "malformed"
    NOTHING_SENT = "nothing_sent"
    ALL_WELL = "all_well"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that nothing is.

    channel: the only channel that it is about, or None.
    count: the routes, intents or records that wait. None: at least one, and nobody can tell how many.
    is_bound: whether there may be more than `count`.
    lasting: for how long the oldest of them has waited, or the cause lasted. For HELD_MAIL, DEAD_LETTERS, MALFORMED,
        HOLDS, LOSSES and ANSWERED_FAILED how long ago the newest was recorded. None: unknown.
    by: the operator who paused the channel or set the newest hold, or blank.
    detail: the error, the reason, or the newest failure's name. Strangers may have written it.
    missing: the roles of which no process runs, for NOTHING_SENT.
    """

    level: Level
    cause: Cause
    channel: str | None = None
    count: int | None = 0
    is_bound: bool = False
    lasting: timedelta | None = None
    by: str = ""
    detail: str = ""
    missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings, the worst first; never empty."""

    findings: Sequence[Finding]

    @property
    def worst(self) -> Finding:
        """The finding that matters most."""
        return self.findings[0]


def not_negative(duration: timedelta) -> timedelta:
    """Returns the duration, or zero for a negative one: the clocks of two machines may differ."""
    return max(duration, timedelta(0))
