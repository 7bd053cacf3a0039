"""`publisher mailer suppressions list`, `add` and `remove`."""

from datetime import timedelta
from typing import Annotated

import typer

from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened, reading
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import DryRunFlag, JsonFlag, YesFlag, confirm, one_line, print_json
from publisher.domain.instants import readable
from publisher.operations import suppressions
from publisher.operations.suppressions import Suppression, SuppressionFilter, SuppressionReason

app = CommandApp(
    "List the addresses that the mail service sends nothing to; add one, or remove one.",
    example="publisher mailer suppressions list --domain example.com\n"
    "publisher mailer suppressions add ann@example.com --note 'asked us to stop'\n"
    "publisher mailer suppressions remove ann@example.com",
)
Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="An email address. Upper and lower case are the same here.")
]
_INSTEAD = "--dry-run to look"


@app.command(
    "list", example="publisher mailer suppressions list\npublisher mailer suppressions list --reason complained --json"
)
def list_(
    reason: Annotated[SuppressionReason | None, typer.Option(help="Only those suppressed for this reason.")] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Only addresses of this domain, such as example.com.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ADDRESS", help="Show the next page: those before this address.")
    ] = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List the addresses that nothing is sent to: why, because of which delivery, since when and until when.

    An address is suppressed by a bounce that is permanent and the recipient's fault, by a complaint, or by an operator.
    """
    with reading() as (_, database):
        matching = SuppressionFilter(reason, None if domain is None else suppressions.compared_domain(domain))
        records = suppressions.list_suppressions(database, matching, before=before, limit=limit)
    print_page(
        "Suppressed addresses",
        records,
        {
            "reason": lambda r: r.reason,
            "since": lambda r: r.added_at,
            "until": lambda r: r.expires_at,
            "by": lambda r: r.added_by,
            "delivery_id": lambda r: r.delivery_id,
            "note": lambda r: r.note,
        },
        suppressions.suppression_fields,
        nothing_found("suppressed address", {"of reason": reason, "of domain": domain, "before": before}),
        json=json,
        wrapping="note",
        limit=limit,
        id_name="address",
        id_of=lambda r: r.address,
    )


@app.command(
    "add",
    example="publisher mailer suppressions add ann@example.com --note 'asked us to stop'\n"
    "publisher mailer suppressions add ann@example.com --days 7 --dry-run",
)
def add(
    address: Address,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for whoever lists it.")] = None,
    days: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, max=36_500, help="For so many days; else until it is removed."),
    ] = None,
    dry_run: DryRunFlag = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Send nothing to an address from now on. A delivery to it is answered `suppressed`.

    In force at once, in every process, but for messages that a mailer has in hand: while the SMTP server is away, these
    wait for it and are sent still. It takes the place of a suppression that is there, also of a longer one.
    """
    who, kept = operator(by), None if days is None else timedelta(days=days)
    with opened() as (_, database):
        checked = suppressions.checked_address(address)
        there = suppressions.find_suppression(database, checked)
        now = "" if there is None else f" It is suppressed as {there.reason.value} {_until(there)} now."
        until = "until it is removed" if days is None else f"for {days:,} day{'' if days == 1 else 's'}"
        if dry_run:
            _print(there or checked, json, one_line(f"{checked} would be suppressed {until}{now and '.'}{now}"))
            return
        confirm(one_line(f"Send nothing to {checked} {until}?{now}"), yes, instead=_INSTEAD)
        added = suppressions.add(database, checked, note, who, kept)
    _print(added, json, one_line(f"{added.address} is suppressed {_until(added)}"))


@app.command(
    "remove",
    example="publisher mailer suppressions remove ann@example.com\n"
    "publisher mailer suppressions remove ann@example.com --dry-run",
)
def remove(
    address: Address, dry_run: DryRunFlag = False, by: ByOption = None, yes: YesFlag = False, json: JsonFlag = False
) -> None:
    """Send to an address again. What was answered `suppressed` is not sent by itself: publish it again for that."""
    who = operator(by)
    with opened() as (_, database):
        there = suppressions.find(database, address)
        if dry_run:
            _print(there, json, one_line(f"{there.address}, suppressed as {_said(there)}, would be removed"))
            return
        confirm(
            one_line(f"Send to {there.address} again, which is suppressed as {_said(there)}?"), yes, instead=_INSTEAD
        )
        removed = suppressions.remove(database, address, who)
    _print(removed, json, one_line(f"{removed.address} is no longer suppressed"))


def _print(of: Suppression | str, json: bool, sentence: str) -> None:
    """Prints the sentence, or as JSON the suppression. of: an address that has none yet."""
    if json:
        print_json({"address": of} if isinstance(of, str) else suppressions.suppression_fields(of))
    else:
        print(sentence)


def _said(suppression: Suppression) -> str:
    return f"{suppression.reason.value} by {suppression.added_by} {_until(suppression)}"


def _until(suppression: Suppression) -> str:
    until = suppression.expires_at
    return "until it is removed" if until is None else f"until {readable(until)}"
