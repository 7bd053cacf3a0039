"""Records the outcomes of a batch, and says of each whether it is on record (R8, R11)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.domain.attempt import Outcome
from publisher.domain.errors import DatabaseRefused, DatabaseUnavailable, PublisherError
from storage.database import Database
from storage.outcomes.outcomes import complete


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome is on record. next_attempt_at: when a rescheduled route is due again; None of any other."""

    outcome: Outcome
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Someone else has moved the route on, so nothing was recorded (R8).

    in_doubt: a first try got no answer, so it may be this very outcome that stands there: see
        `storage.outcomes.lost_replies`.
    """

    outcome: Outcome
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """PostgreSQL refused the outcome, or gave no answer. in_doubt: a try got no answer, and may have happened."""

    outcome: Outcome
    reason: PublisherError
    in_doubt: bool = False


Recording = Recorded | Conflict | NotRecorded
Complete = Callable[[Sequence[Outcome]], Mapping[int, datetime | None]]


def record(
    database: Database,
    token: str,
    outcomes: Sequence[Outcome],
    *,
    witness_after_lease: timedelta | None = None,
    beat: Callable[[], object] = lambda: None,
) -> list[Recording]:
    """Records the outcomes of routes under one lease, all of a kind in one statement. Returns what became of each.

    token: of the lease.
    witness_after_lease: see `complete`.
    beat: called before each statement.
    A statement that gets no answer is repeated once: the guard makes a second time harmless (R8). A statement that is
    refused was rolled back whole, so each of its outcomes is tried alone (R11). No error of PostgreSQL is raised: it
    is the reason of those that were not recorded.
    """

    def run(some: Sequence[Outcome]) -> Mapping[int, datetime | None]:
        beat()
        return complete(database, token, some, witness_after_lease)

    kinds: dict[type[Outcome], list[Outcome]] = {}
    for outcome in outcomes:
        kinds.setdefault(type(outcome), []).append(outcome)
    return [recording for some in kinds.values() for recording in _record_together(run, some, in_doubt=False)]


def _record_together(run: Complete, some: Sequence[Outcome], *, in_doubt: bool) -> list[Recording]:
    try:
        try:
            changed = run(some)
        except DatabaseUnavailable:
            in_doubt = True
            changed = run(some)
    except DatabaseUnavailable as error:
        return [NotRecorded(outcome, error, in_doubt=True) for outcome in some]
    except DatabaseRefused as error:
        if len(some) == 1:
            return [NotRecorded(some[0], error, in_doubt)]
        return _record_apart(run, some, in_doubt=in_doubt)
    return [
        Recorded(outcome, changed[outcome.route.id]) if outcome.route.id in changed else Conflict(outcome, in_doubt)
        for outcome in some
    ]


def _record_apart(run: Complete, some: Sequence[Outcome], *, in_doubt: bool) -> list[Recording]:
    recordings: list[Recording] = []
    for outcome in some:
        match recordings[-1:]:
            case [NotRecorded(reason=DatabaseUnavailable() as reason)]:
                # PostgreSQL went away halfway: each of the others would wait for it as long as this one.
                recordings.append(NotRecorded(outcome, reason, in_doubt))
            case _:
                recordings += _record_together(run, [outcome], in_doubt=in_doubt)
    return recordings
