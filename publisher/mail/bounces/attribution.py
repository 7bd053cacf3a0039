"""Finds the delivery that a report is about, and says what the report amounts to for it.

Anybody can write to the mailbox of bounces, so a report from there counts only for a delivery that our own mail service
sent within the last 30 days, and that it names by the word that stands in the message and that nobody else can make.
The address that it suppresses is that of the delivery's route: the report's own words choose neither. What a provider
sent to an operator is believed for every email delivery, also one that it names by its id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from publisher.domain.delivery_event import DeliveryEvent
from publisher.mail.messages.references import Reference, find_reference, reference_of
from publisher.mail.reports.normalized import about, to_event
from publisher.mail.reports.report import DeliveryNames, NotAReport, Reading, Report
from storage.database import Database
from storage.mail.answerable import AnswerableDelivery, find_answerable

# Mail servers try for five days; complaints come for a few weeks.
ANSWERABLE = timedelta(days=30)


class Origin(Enum):
    """Where reports are from. ANYBODY: a mailbox. PROVIDER: a provider, by an operator's hand or a door of its own."""

    ANYBODY = "anybody"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Answer:
    """A delivery event that a report amounts to. address: of the delivery's own route; None: it has none."""

    event: DeliveryEvent
    address: str | None


@dataclass(frozen=True, slots=True)
class NotOurs:
    """A report about no delivery that it may be about.

    reason: why, in words without an address.
    names_none: whether it names no delivery at all, so that its sender was not told which one it is.
    """

    reason: str
    names_none: bool = False


def attribute(
    database: Database, readings: Sequence[Reading], origin: Origin, key: bytes, now: datetime
) -> list[Answer | NotOurs | NotAReport]:
    """Returns for each reading what it amounts to. One statement finds the deliveries of all.

    key: of the words that name a delivery. Raises DatabaseUnavailable.
    """
    named = [list(_references(r[0].names, origin, key)) if isinstance(r, list) else [] for r in readings]
    ids = {reference.notification_id for references in named for reference in references}
    deliveries: dict[Reference, AnswerableDelivery] = {
        reference_of(delivery.delivery_id, key): delivery
        for delivery in find_answerable(database, {id_ for id_ in ids if id_ is not None}, ANSWERABLE)
    }
    return [
        _answer(reading, references, deliveries, origin, now) if isinstance(reading, list) else reading
        for reading, references in zip(readings, named, strict=True)
    ]


def _references(names: DeliveryNames, origin: Origin, key: bytes) -> Iterator[Reference]:
    """Yields the deliveries that the names may mean, the best name first: the return path is written by us alone."""
    for address in names.envelope:
        if (reference := find_reference(address)) is not None:
            yield reference
    if origin is Origin.PROVIDER:
        yield from (reference_of(delivery_id, key) for delivery_id in names.delivery_ids)
    for message_id in names.message_ids:
        if (reference := find_reference(message_id)) is not None:
            yield reference


def _answer(
    reports: Sequence[Report],
    references: Sequence[Reference],
    deliveries: Mapping[Reference, AnswerableDelivery],
    origin: Origin,
    now: datetime,
) -> Answer | NotOurs:
    if not references:
        return NotOurs("it names no delivery of ours", names_none=True)
    found = [deliveries[reference] for reference in references if reference in deliveries]
    if not found:
        return NotOurs("it names a delivery that is unknown here, or was pruned")
    delivery = next((d for d in found if d.was_sent or origin is Origin.PROVIDER), None)
    if delivery is None:
        return NotOurs(f"it names a delivery that was not sent from here within {ANSWERABLE.days} days")
    counts = about(reports, delivery.address or "")
    return Answer(to_event(counts, delivery.delivery_id, now), delivery.address)
