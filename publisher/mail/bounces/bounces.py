"""Reads the mailbox of bounces: each report is recorded first, and its message marked after.

A process that dies between the two reads the message again, and records nothing twice: an event is known by its id.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from publisher.domain.delivery_event import EventKind
from publisher.mail.bounces.answers import record_answers, suppressions_by
from publisher.mail.bounces.attribution import Answer, NotOurs, Origin, attribute
from publisher.mail.bounces.mailbox import BounceMailbox, BounceMessage, Mark, UnreadableMessage
from publisher.mail.reports.mail import read_report
from publisher.mail.reports.report import NotAReport
from storage.database import Database


@dataclass(slots=True)
class Tally:
    """What a mailbox held.

    events: how many reports amounted to each kind of event.
    recorded: how many of those events were new.
    suppressed: how many addresses were suppressed.
    would_record, would_suppress: of a dry run, the ids of the events and the addresses that would be, with those that
        are on record already.
    not_ours, no_report: how many messages could not be attributed, or were no report, by the reason.
    unreadable: messages that were left as they are, since each of them cannot be read.
    """

    events: Counter[EventKind] = field(default_factory=Counter)
    recorded: int = 0
    suppressed: int = 0
    would_record: set[str] = field(default_factory=set)
    would_suppress: set[str] = field(default_factory=set, repr=False)
    not_ours: Counter[str] = field(default_factory=Counter)
    no_report: Counter[str] = field(default_factory=Counter)
    unreadable: list[UnreadableMessage] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """How many messages were read."""
        return self.events.total() + self.flagged

    @property
    def flagged(self) -> int:
        """How many messages wait for a person to look at them."""
        return self.not_ours.total() + self.no_report.total()


def read_mailbox(
    database: Database,
    mailbox: BounceMailbox,
    kept: timedelta,
    key: bytes,
    *,
    dry_run: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> Tally:
    """Reads what is unread, batch by batch, until nothing is left or `stopping` says so.

    kept: how long an address stays suppressed; zero: none is.
    key: of the words that name a delivery.
    dry_run: nothing is recorded, and nothing marked.
    on_batch: called after each batch with the number of its messages.
    Raises MailboxUnavailable, DatabaseUnavailable.
    """
    tally = Tally()
    for unread in mailbox.unread():
        if stopping():
            break
        batch = [message for message in unread if isinstance(message, BounceMessage)]
        tally.unreadable += [message for message in unread if isinstance(message, UnreadableMessage)]
        found = attribute(database, [read_report(m.data) for m in batch], Origin.ANYBODY, key, datetime.now(UTC))
        answers = [outcome for outcome in found if isinstance(outcome, Answer)]
        if dry_run:
            _foresee(answers, kept, tally)
        else:
            recorded = record_answers(database, answers, kept)
            tally.recorded += len(recorded.new)
            tally.suppressed += recorded.suppressed
            for mark in Mark:
                mailbox.mark([m.key for m, o in zip(batch, found, strict=True) if _mark(o) is mark], mark)
        for outcome in found:
            _count(outcome, tally)
        on_batch(len(batch))
    return tally


def _foresee(answers: Sequence[Answer], kept: timedelta, tally: Tally) -> None:
    tally.would_record.update(answer.event.event_id for answer in answers)
    if kept:
        addresses = {answer.event.delivery_id: answer.address for answer in answers}
        suppressions = suppressions_by([answer.event for answer in answers], addresses)
        tally.would_suppress.update(each.address for each in suppressions)


def _mark(outcome: Answer | NotOurs | NotAReport) -> Mark:
    return Mark.SEEN if isinstance(outcome, Answer) else Mark.FLAGGED


def _count(outcome: Answer | NotOurs | NotAReport, tally: Tally) -> None:
    if isinstance(outcome, Answer):
        tally.events[outcome.event.event] += 1
    elif isinstance(outcome, NotOurs):
        tally.not_ours[outcome.reason] += 1
    else:
        tally.no_report[outcome.reason] += 1
