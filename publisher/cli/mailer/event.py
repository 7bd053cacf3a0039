"""`publisher mailer event`."""

import json as json_
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import typer

from publisher.cli.session import opened
from publisher.cli.terminal.files import read_text
from publisher.cli.terminal.output import JsonFlag, one_line, print_json, say
from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.suppression import suppression_reason
from publisher.mail.bounces.attribution import Answer, NotOurs
from publisher.mail.bounces.notified import Provider, take_notified
from publisher.mail.reports.report import NotAReport
from storage.mail.reference_key import mail_reference_key

# What tells the delivery.
_NAMED_IN = {Provider.SES: "X-Delivery-Id among the headers", Provider.POSTMARK: "delivery_id in the metadata"}
# Recorded together.
_BATCH = 500


def event(
    file: Annotated[str, typer.Argument(metavar="FILE", help="One JSON object, or one a line; - is standard input.")],
    provider: Annotated[Provider, typer.Option("--from", metavar="PROVIDER", help="Who sent it: ses or postmark.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what each is: record nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Record what a provider notified of: an event of Amazon SES, also wrapped by SNS, or a webhook of Postmark.

    Says of each what it became, and of which delivery. The same notification again changes nothing. Exit code 1 if one
    names no delivery of ours, or cannot be read. One that tells nothing of a delivery, such as that a message was
    opened, is passed over.
    """
    said = _Said(_NAMED_IN[provider])
    with opened() as (settings, database):
        key = mail_reference_key(database, may_make=not dry_run)
        suppress = None if dry_run else settings.mail.suppress
        for batch in _batches(list(_notifications(read_text(file)))):
            texts = [text for _, text in batch]
            found = take_notified(database, provider, texts, key, datetime.now(UTC), suppress)
            for (place, _), each in zip(batch, found, strict=True):
                if isinstance(each.outcome, Answer):
                    said.answer(place, each.outcome.event, each.is_new)
                else:
                    said.passed_over(place, each.outcome)
    if json:
        print_json({"events": said.events, "passed_over": said.others})
    for line in [] if json else said.lines or ["there is no notification"] * (not said.others):
        print(one_line(line))
    for line in said.errors:
        say(f"publisher: {one_line(line)}", sys.stderr)
    if said.is_refused:
        raise typer.Exit(1)


@dataclass(slots=True)
class _Said:
    """What is said of the notifications, in the order of their lines.

    named_in: what tells the delivery.
    events, lines: of those that became a delivery event, for a program and for a person.
    others, errors: of those that did not.
    is_refused: whether one of those ought to have become one.
    """

    named_in: str
    events: list[dict[str, object]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    others: list[dict[str, object]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_refused: bool = False

    def answer(self, place: int | None, event: DeliveryEvent, is_new: bool | None) -> None:
        """Adds a delivery event. is_new: whether it is recorded now; None: nothing is."""
        named = {"line": place, "delivery_id": event.delivery_id, "event": event.event, "event_id": event.event_id}
        more = {"permanence": event.permanence, "fault": event.fault, "occurred_at": event.occurred_at}
        said = {"suppresses": suppression_reason(event) is not None, "recorded": is_new}
        self.events.append({**named, **more, **said})
        why = ", ".join(part.value for part in (event.permanence, event.fault) if part is not None)
        was = {None: "would be recorded", True: "recorded", False: "was on record"}[is_new]
        self.lines.append(f"{event.delivery_id}: {event.event.value}{why and f' ({why})'}, {was}")

    def passed_over(self, place: int | None, outcome: NotOurs | NotAReport) -> None:
        """Adds a notification that became no delivery event."""
        is_known = isinstance(outcome, NotAReport) and outcome.is_known
        self.is_refused |= not is_known
        self.others.append({"line": place, "reason": outcome.reason, "refused": not is_known})
        is_unnamed = isinstance(outcome, NotOurs) and outcome.names_none
        where = f"; it would be told by {self.named_in}: publisher guide mail" if is_unnamed else ""
        self.errors.append(f"{'' if place is None else f'line {place}: '}{outcome.reason}{where}")


def _notifications(text: str) -> Iterator[tuple[int | None, str]]:
    """Yields each notification with the number of its line, or None where the text is one object."""
    try:
        json_.loads(text)
    except (ValueError, RecursionError):
        # JSON takes a line separator of Unicode for a letter: str.splitlines would cut a line in two there.
        yield from ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
    else:
        yield None, text


def _batches(
    notifications: Sequence[tuple[int | None, str]],
) -> Iterator[Sequence[tuple[int | None, str]]]:
    for start in range(0, len(notifications), _BATCH):
        yield notifications[start : start + _BATCH]
