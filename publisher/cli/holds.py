"""`publisher holds add`, `list` and `remove`."""

import sys
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import RECIPIENT
from publisher.cli.session import opened, reading
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import nothing_found, print_page
from publisher.cli.terminal.output import DRY_RUN, DryRunFlag, JsonFlag, YesFlag, confirm, one_line, print_json, say
from publisher.cli.waking import waker
from publisher.operations.channels.readers_wording import named
from publisher.operations.holds import holds
from publisher.operations.holds.holds import Held, HoldCriteria, HoldRecord
from publisher.operations.holds.wording import held_number, may_go, open_routes
from publisher.settings.settings import Settings

app = CommandApp(
    "Keep routes from being published until you let them go: by type, producer, channel or recipient.",
    example="publisher holds add --type shop.invoice --reason 'wrong amounts'\n"
    "publisher holds list\npublisher holds remove 3",
)
HoldNumber = Annotated[
    int, typer.Argument(metavar="NUMBER", min=1, help="The hold's number, as 'holds list' shows it.")
]


@app.command(
    "add",
    example="publisher holds add --type shop.invoice --reason 'wrong amounts'\n"
    "publisher holds add --producer shop --channel email --reason fraud --dry-run\n"
    "publisher holds add --recipient user:7 --reason 'moved away'\n"
    "publisher holds add --recipient address:ops@example.com --reason bounced",
)
def add(
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; shown to whoever asks why a route waits.")
    ],
    channel: Annotated[
        str | None, typer.Option("--channel", autocompletion=candidates.channels, help="Hold routes of this channel.")
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option("--type", autocompletion=candidates.types, help="Hold routes of this notification type."),
    ] = None,
    producer: Annotated[
        str | None, typer.Option("--producer", metavar="NAME", help="Hold routes of this producer.")
    ] = None,
    recipient: Annotated[
        str | None,
        typer.Option(
            "--recipient",
            metavar="RECIPIENT",
            help=f"Hold routes to this one, upper and lower case as producers write it: {RECIPIENT}.",
        ),
    ] = None,
    dry_run: DryRunFlag = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Hold what matches every option that is given: it is not published until the hold is removed.

    In force at once, in every process; no attempt is counted. Nothing else is touched: a held route still expires at
    its deadline, and can be cancelled. A batch that is in flight at this moment is finished. Routes that are accepted
    later are held as well, also of a type or a producer that no notification has yet.
    """
    who = operator(by)
    holds.checked_reason(reason)
    criteria = HoldCriteria(channel, type, producer, recipient)
    with opened() as (settings, database):
        held = holds.plan(database, settings, criteria)
        remarks = holds.alike(database, criteria)
        for line in [*remarks, *([] if held.count else holds.unseen(database, criteria))]:
            say(f"publisher: {one_line(line)}", sys.stderr)
        if dry_run:
            _print_count(held, json=json)
            return
        what = holds.worded(criteria)
        confirm(
            one_line(f"Hold {what}? {open_routes(held)} match{'es' if held.count == 1 else ''} now."),
            yes,
            instead=DRY_RUN,
        )
        hold = holds.add(database, criteria, who, reason)
    if json:
        print_json(holds.hold_fields(hold) | _count(held))
    else:
        print(one_line(f"hold {hold.id} holds {what}: {open_routes(held)} now, and all that follow"))


@app.command("list", example="publisher holds list")
def list_(json: JsonFlag = False) -> None:
    """List the holds that are in force: what each matches, how many open routes it keeps, by whom, since when and why.

    A route that several holds match is counted with each.
    """
    with reading() as (_, database):
        records = holds.list_holds(database)
        held = holds.held_now(database, records)
    print_page(
        "Holds",
        records,
        {
            "channel": lambda r: r.criteria.channel,
            "type": lambda r: r.criteria.notification_type,
            "producer": lambda r: r.criteria.producer,
            "recipient": lambda r: r.criteria.recipient_ref and named(r.criteria.recipient_ref),
            "keeps": lambda r: held_number(held[r.id]),
            "by": lambda r: r.held_by,
            "since": lambda r: r.held_at,
            "reason": lambda r: r.reason,
        },
        lambda r: holds.hold_fields(r) | _count(held[r.id]),
        nothing_found("hold", {}),
        json=json,
        wrapping="reason",
        numeric=["keeps"],
    )


@app.command("remove", example="publisher holds remove 3\npublisher holds remove 3 --dry-run")
def remove(
    number: HoldNumber, dry_run: DryRunFlag = False, by: ByOption = None, yes: YesFlag = False, json: JsonFlag = False
) -> None:
    """Remove a hold. What it held is published at once, unless another hold matches it."""
    who = operator(by)
    with opened() as (settings, database):
        hold = holds.find(database, number)
        held = holds.held_by_others(database, hold)
        if not dry_run:
            question = f"Remove hold {hold.id}, which holds {holds.worded(hold.criteria)}? {may_go(held)}."
            confirm(one_line(question), yes, instead=DRY_RUN)
            holds.remove(database, hold.id, who)
    if json:
        print_json(
            holds.hold_fields(hold)
            | _count(held.held)
            | {"may_go": held.free, "held_by_others": held.kept, "others": held.others}
        )
    else:
        is_removed = "would be removed" if dry_run else "is removed"
        print(one_line(f"hold {hold.id} {is_removed}: {may_go(held)}"))
    if not dry_run:
        _wake(settings, hold)


def _wake(settings: Settings, hold: HoldRecord) -> None:
    # Imported by those who wake workers: the list of holds needs no actors.
    from publisher.bootstrap import install_context

    wake = waker(install_context(settings, "holds"))
    for channel in holds.channels_of(settings, hold):
        wake(channel)


def _print_count(held: Held, *, json: bool) -> None:
    if json:
        print_json(_count(held))
    else:
        print(f"{open_routes(held)} would be held")


def _count(held: Held) -> dict[str, object]:
    return {"held": held.count, "at_least": held.is_bound}
