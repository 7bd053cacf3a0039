"""`publisher mailer bounces`."""

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn

from publisher.cli.session import opened
from publisher.cli.terminal.output import JsonFlag, one_line, print_json, print_table, say
from publisher.cli.terminal.progress import progress
from publisher.domain.errors import Unavailable
from publisher.domain.masking import masked
from publisher.mail.bounces.bounces import Tally, read_mailbox
from publisher.mail.bounces.mailbox import UnreadableMessage
from publisher.mail.bounces.opening import open_mailbox
from publisher.process.signals import stop_on_signals
from publisher.settings.mailbox_url import VARIABLE, MailboxUrl, read_mailbox_url
from storage.database import Database
from storage.mail.reference_key import mail_reference_key


def bounces(
    mailbox: Annotated[
        str | None,
        typer.Argument(
            metavar="MAILBOX",
            help=f"A maildir's folder, or an imaps:// URL. Default: {VARIABLE}, where a password is better kept.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until SIGTERM or Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=86_400, help="With --follow: how often to look.")
    ] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what there is: record and mark nothing.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Read the mailbox that bounces go to, and record what it says of deliveries: bounced, deferred, complained.

    Reports are delivery status notifications (RFC 3464) and abuse reports (RFC 5965). A message whose report is
    recorded is marked as seen. What belongs to no delivery of the last 30 days, or is no report, is flagged, stays
    unread, and waits for a person. Nothing is deleted, and a message that is read twice is recorded once.
    A message that cannot be read is named in a warning, left as it is, and holds up no other.
    """
    with opened() as (settings, database):
        url = read_mailbox_url(mailbox or settings.mail.bounces_url, "MAILBOX" if mailbox else VARIABLE)
        if not follow:
            tally = _read(database, url, settings.mail.suppress, dry_run=dry_run)
            _warn(tally.unreadable)
            _print(tally, url, dry_run=dry_run, json=json)
            return
        stopping = threading.Event()
        stop_on_signals(stopping)
        warned: set[str] = set()
        while not stopping.is_set():
            try:
                tally = _read(database, url, settings.mail.suppress, dry_run=dry_run, stopping=stopping)
            except Unavailable as error:
                say(f"publisher: {one_line(str(error))}; trying again in {interval:g} seconds", sys.stderr)
            else:
                _warn([message for message in tally.unreadable if message.key not in warned])
                warned = {message.key for message in tally.unreadable}
                if tally.messages:
                    _print(tally, url, dry_run=dry_run, json=json)
                    sys.stdout.flush()
            stopping.wait(interval)


def _read(
    database: Database,
    url: MailboxUrl,
    kept: timedelta,
    *,
    dry_run: bool,
    stopping: threading.Event | None = None,
) -> Tally:
    columns = SpinnerColumn(), TextColumn("reading"), TextColumn("{task.completed:,.0f} messages")
    with progress(*columns) as bar, open_mailbox(url, read_only=dry_run) as mailbox:
        task = bar.add_task("reading", total=None)
        return read_mailbox(
            database,
            mailbox,
            kept,
            mail_reference_key(database, may_make=not dry_run),
            dry_run=dry_run,
            stopping=stopping.is_set if stopping else lambda: False,
            on_batch=lambda count: bar.advance(task, count),
        )


def _warn(unreadable: Sequence[UnreadableMessage]) -> None:
    """Says in one line that these messages cannot be read: the first of them, why, what to do, and how many more."""
    if not unreadable:
        return
    first, more = unreadable[0], len(unreadable) - 1
    others = f" (and {_many(more, 'other')})" if more else ""
    text = f"message {masked(first.key)}{others} cannot be read: {first.reason}; {first.advice}"
    say(f"publisher: {one_line(text)}", sys.stderr)


def _print(tally: Tally, url: MailboxUrl, *, dry_run: bool, json: bool) -> None:
    if json:
        print_json(
            {
                "mailbox": url.shown,
                "messages": tally.messages,
                "events": {kind.value: count for kind, count in sorted(tally.events.items())},
                "recorded": tally.recorded,
                "suppressed": tally.suppressed,
                "not_ours": dict(tally.not_ours),
                "no_report": dict(tally.no_report),
                "unreadable": len(tally.unreadable),
            }
        )
        return
    if not tally.messages and not tally.unreadable:
        print(one_line(f"there is no unread message in {url.shown}"))
        return
    rows: list[tuple[object, ...]] = [(kind.value, count, None) for kind, count in sorted(tally.events.items())]
    rows += [("not ours", count, reason) for reason, count in sorted(tally.not_ours.items())]
    rows += [("no report", count, reason) for reason, count in sorted(tally.no_report.items())]
    rows += [
        ("unreadable", count, reason)
        for reason, count in sorted(Counter(message.reason for message in tally.unreadable).items())
    ]
    print_table(f"Messages in {url.shown}", ["found", "messages", "why it waits"], rows, wrapping="why it waits")
    if dry_run:
        events, addresses = len(tally.would_record), len(tally.would_suppress)
        print(
            f"{_many(events, 'event')} would be recorded, unless they are on record already;"
            f" {_many(addresses, 'address', 'es')} would be suppressed"
        )
        return
    print(f"{_many(tally.recorded, 'new event')} recorded, {_many(tally.suppressed, 'address', 'es')} suppressed")


def _many(count: int, noun: str, plural: str = "s") -> str:
    return f"{count:,} {noun}{'' if count == 1 else plural}"
