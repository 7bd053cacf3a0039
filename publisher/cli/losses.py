"""`publisher intents losses list` and `acknowledge`."""

from dataclasses import asdict
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.ids import number
from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import JsonFlag, print_json
from publisher.operations import losses
from publisher.operations.ids.resolution import NamedKind

app = CommandApp(
    "List intents that were removed from their stream unread, and acknowledge them.",
    example="publisher intents losses list",
)


@app.command("list", example="publisher intents losses list --all")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that were acknowledged, too.")] = False,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List losses of intents that no operator has acknowledged, newest first.

    The lost entries stood between two ids; how many they were is blank where Redis could not tell. `publisher doctor`
    fails until each is acknowledged.
    """
    with opened() as (_, database):
        records = losses.list_losses(database, acknowledged=all_, limit=limit)
    print_page(
        "Losses of intents",
        records,
        {
            "cause": lambda r: r.cause,
            "entries": lambda r: r.entries,
            "between": lambda r: r.after_id,
            "and": lambda r: r.before_id,
            "noticed": lambda r: r.noticed_at,
            "acknowledged by": lambda r: r.acknowledged_by,
            "stream": lambda r: r.stream,
        },
        asdict,
        nothing_found("loss of intents" if all_ else "loss of intents that nobody has acknowledged", {}),
        json=json,
    )


@app.command("acknowledge", example="publisher intents losses acknowledge 3 --by ann")
def acknowledge(
    id_: Annotated[str, typer.Argument(metavar="ID", autocompletion=candidates.ids, help="A loss's number.")],
    by: ByOption = None,
    json: JsonFlag = False,
) -> None:
    """Say that a loss is known, and dealt with: `publisher doctor` no longer fails for it. It brings nothing back."""
    with opened() as (settings, database):
        loss_id = number(settings, database, id_, NamedKind.LOSS, "publisher intents losses acknowledge")
        done = losses.acknowledge(database, loss_id, operator(by))
    if json:
        print_json({"action": done.action, "id": loss_id, "acknowledged": done.changed})
    else:
        print(f"loss {loss_id} is acknowledged (action {done.action})")
