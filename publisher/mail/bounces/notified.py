"""Takes what a provider notified of: reads it, finds the delivery, and records the event (R32, R33)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.mail.bounces.answers import RecordedAnswers, record_answers
from publisher.mail.bounces.attribution import Answer, NotOurs, Origin, attribute
from publisher.mail.reports.postmark import read_postmark
from publisher.mail.reports.report import NotAReport
from publisher.mail.reports.ses import read_ses
from storage.database import Database


class Provider(StrEnum):
    """A provider whose notifications are understood."""

    SES = "ses"
    POSTMARK = "postmark"


_READERS = {Provider.SES: read_ses, Provider.POSTMARK: read_postmark}


@dataclass(frozen=True, slots=True)
class Notified:
    """What a notification became.

    outcome: a delivery event, or why it became none.
    is_new: whether the event is recorded now; None: nothing is to be recorded.
    """

    outcome: Answer | NotOurs | NotAReport
    is_new: bool | None = None


def take_notified(
    database: Database,
    provider: Provider,
    notifications: Sequence[str | bytes],
    key: bytes,
    now: datetime,
    suppress: timedelta | None,
) -> Sequence[Notified]:
    """Records the events of these notifications in one transaction. Returns what each became, in their order.

    key: of the words that name a delivery, see `storage.mail.reference_key`.
    suppress: how long an address that bounced stays suppressed. None: nothing is recorded at all.
    Raises DatabaseUnavailable.
    """
    readings = [_READERS[provider](text) for text in notifications]
    found = attribute(database, readings, Origin.PROVIDER, key, now)
    answers = [outcome for outcome in found if isinstance(outcome, Answer)]
    recorded = RecordedAnswers() if suppress is None else record_answers(database, answers, suppress)
    new = {(each.source, each.event_id) for each in recorded.new}
    return [
        Notified(outcome, (outcome.event.source, outcome.event.event_id) in new)
        if isinstance(outcome, Answer) and suppress is not None
        else Notified(outcome)
        for outcome in found
    ]
