"""Takes intents, cancellations and delivery events in that came over HTTP, whose sender waits for the answer.

What the acceptors of the streams wait out is an error here at once: the sender repeats it, and what was committed by
then is known (R18, R20). What they record as malformed is told to the sender, and kept nowhere.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import structlog

from publisher.domain.errors import DatabaseRefused
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.traceparent import parse_traceparent
from publisher.intake import events_report, report
from publisher.intake.acceptor import transactions
from publisher.intake.retrying import refused
from publisher.intake.telling import Telling
from publisher.process.spans import POSTGRESQL, BatchSpan, SpanKind
from publisher.process.telemetry import Telemetry
from storage.accepting.intents import Acceptance, IncomingIntent, accept_new, cancel, compare_known
from storage.answers.delivery_events import IncomingEvent
from storage.answers.event_entries import TakenIn, take_in
from storage.cancelling.cancellations import IncomingCancellation
from storage.claiming.handover import Handover
from storage.database import Database

_log = structlog.get_logger()
Incoming = IncomingIntent | IncomingCancellation
E = TypeVar("E", IncomingIntent, IncomingCancellation)


class Result(StrEnum):
    """What became of something that came over HTTP.

    ACCEPTED, CANCELLED, RECORDED: an intent, a cancellation, a delivery event that was new.
    DUPLICATE, CANCELLED_BEFORE, RECORDED_BEFORE: one that was known: nothing changed.
    CONFLICT: its key belongs to other content.
    REFUSED: it is not valid.
    """

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"
    CANCELLED_BEFORE = "cancelled_before"
    RECORDED = "recorded"
    RECORDED_BEFORE = "recorded_before"
    CONFLICT = "conflict"
    REFUSED = "refused"


_CONFLICTS = {RejectionCode.IDEMPOTENCY_CONFLICT, RejectionCode.EVENT_CONFLICT}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one. rejection: why it was not taken in; None: it was, or is known."""

    result: Result
    rejection: Rejection | None = None


def not_taken(rejection: Rejection) -> Outcome:
    """Returns the outcome of what is not taken in."""
    return Outcome(Result.CONFLICT if rejection.code in _CONFLICTS else Result.REFUSED, rejection)


class HttpIntake:
    """Takes in what came over HTTP. Safe to share between threads.

    tell: tells the workers which routes are due at once.
    hand_over: returns the lease of the routes that a transaction inserts; None: they have none.
    """

    def __init__(
        self, database: Database, telemetry: Telemetry, tell: Telling, hand_over: Callable[[], Handover | None]
    ) -> None:
        self._database = database
        self._telemetry = telemetry
        self._tell = tell
        self._hand_over = hand_over

    def take(self, entries: Sequence[Incoming]) -> Mapping[str, Outcome]:
        """Commits them, tells the workers, and reports. Returns what became of each, by its entry id.

        One transaction, or one for each 5,000 routes; cancellations come before intents, in one of their own (R28).
        Raises DatabaseUnavailable: nothing was accepted, or some was, and is known when it comes again.
        """
        found: dict[str, Outcome] = {}
        with self._span("receive intents over HTTP", len(entries)) as span:
            if self._telemetry.spans.is_on:
                span.link(parse_traceparent(e.intent.trace_id) for e in entries if isinstance(e, IncomingIntent))
            for part in transactions(entries):
                for accepted in self._cancelled([e for e in part if isinstance(e, IncomingCancellation)]):
                    found |= self._reported(accepted)
                for accepted in self._accepted([e for e in part if isinstance(e, IncomingIntent)]):
                    found |= self._reported(accepted)
        return found

    def record(self, events: Sequence[IncomingEvent]) -> Mapping[str, Outcome]:
        """Records delivery events in one transaction, and reports (R32). Returns what became of each, by its entry id.

        Raises DatabaseUnavailable: nothing was recorded, or all was, and is known when it comes again.
        """
        found: dict[str, Outcome] = {}
        with self._span("receive delivery events over HTTP", len(events)):
            for taken in self._recorded(events):
                events_report.report(replace(taken, malformed=()), self._telemetry)
                found |= {str(e.entry_id): Outcome(Result.RECORDED) for e in taken.new}
                found |= {str(e.entry_id): Outcome(Result.RECORDED_BEFORE) for e in taken.known}
                found |= {e.entry_id: not_taken(e.malformed) for e in taken.malformed}
        return found

    def report_refused(self, what: str, producer: str, outcomes: Sequence[Outcome]) -> None:
        """Counts and logs those of these outcomes that were not taken in: in one line, by their codes.

        what: a noun, such as `intents`.
        """
        codes = Counter(outcome.rejection.code.value for outcome in outcomes if outcome.rejection is not None)
        if not codes:
            return
        if what == "intents":
            self._telemetry.intents("refused", codes.total())
        else:
            self._telemetry.delivery_events("", "", "refused", codes.total())
        _log.warning(
            f"{what} that came over HTTP were refused", producer=producer, refused=codes.total(), codes=dict(codes)
        )

    def _span(self, name: str, count: int) -> AbstractContextManager[BatchSpan]:
        return self._telemetry.spans.batch(name, SpanKind.CONSUMER, {"messaging.batch.message_count": count})

    def _cancelled(self, cancellations: Sequence[IncomingCancellation]) -> Iterator[Acceptance]:
        if not cancellations:
            return
        try:
            yield cancel(self._database, cancellations)
        except DatabaseRefused as error:
            yield from _each_alone(cancellations, error, self._cancelled)

    def _accepted(self, intents: Sequence[IncomingIntent]) -> Iterator[Acceptance]:
        if not intents:
            return
        try:
            with self._telemetry.spans.batch("commit", SpanKind.CLIENT, POSTGRESQL):
                accepted, known = accept_new(self._database, intents, self._hand_over())
        except DatabaseRefused as error:
            yield from _each_alone(intents, error, self._accepted)
            return
        yield accepted
        if known:
            yield compare_known(self._database, None, known)

    def _recorded(self, events: Sequence[IncomingEvent]) -> Iterator[TakenIn]:
        if not events:
            return
        try:
            yield take_in(self._database, None, events)
        except DatabaseRefused as error:
            if len(events) == 1:
                yield TakenIn(malformed=[refused(str(events[0].entry_id), (), error)])
                return
            for event in events:
                yield from self._recorded([event])

    def _reported(self, accepted: Acceptance) -> Mapping[str, Outcome]:
        """Tells the workers and reports what was committed. Returns what became of each."""
        self._tell(accepted)
        rejected = {m.entry_id: not_taken(m.malformed) for m in accepted.malformed}
        report.report(replace(accepted, malformed=()), self._telemetry)
        return {
            **{i.entry_id: Outcome(Result.ACCEPTED) for i in accepted.accepted},
            **{i.entry_id: Outcome(Result.DUPLICATE) for i in accepted.duplicates},
            **{c.entry_id: Outcome(Result.CANCELLED) for c in accepted.cancellations},
            **{c.entry_id: Outcome(Result.CANCELLED_BEFORE) for c in accepted.known_cancellations},
            **rejected,
        }


def _each_alone(
    entries: Sequence[E], error: DatabaseRefused, commit: Callable[[Sequence[E]], Iterator[Acceptance]]
) -> Iterator[Acceptance]:
    """Commits each by itself: PostgreSQL refused a value of one of them (R21)."""
    if len(entries) == 1:
        yield Acceptance(malformed=[refused(entries[0].entry_id, (), error)])
        return
    for entry in entries:
        yield from commit([entry])
