"""`publisher actions list` and `show`."""

import shlex
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.ids import number
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.session import reading
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import BeforeOption, LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import JsonFlag, print_json, print_record
from publisher.operations.changes.audited import ActionFilter, ActionOutcome, find_action, list_actions
from publisher.operations.changes.wording import aim, counts_many, target_words
from publisher.operations.ids.resolution import NamedKind
from publisher.operations.names import near_actions, near_operators
from storage.database import Database

app = CommandApp("List the changes that operators made.", example="publisher actions list --since yesterday")


@app.command("list", example="publisher actions list --action requeue-dead-letters --since 1w")
def list_(
    action: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only this kind, such as requeue-dead-letters.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this operator.")] = None,
    outcome: Annotated[ActionOutcome | None, typer.Option(help="Only those that ended so.")] = None,
    since: Annotated[datetime | None, since_option("begun")] = None,
    until: Annotated[datetime | None, until_option("begun")] = None,
    before: BeforeOption = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List the actions that operators took, newest first.

    An action that is 'running' is at work, or its process was killed. What it has done is counted either way.
    A cancellation counts the routes that it marked, and at its end those alone that are cancelled.
    """
    matching = ActionFilter(action, by, outcome, since, until)
    with reading() as (_, database):
        records = list_actions(database, matching, before=before, limit=limit)
        near = [] if records else _near(database, action, by)
    print_page(
        "Actions",
        records,
        {
            "action": lambda r: r.action,
            "by": lambda r: r.by,
            "outcome": lambda r: r.outcome,
            "matched": lambda r: r.matched if counts_many(r) else None,
            "done": lambda r: r.done if counts_many(r) else None,
            "begun": lambda r: r.begun_at,
            "target": lambda r: aim(r.target),
        },
        asdict,
        nothing_found(
            "action",
            {
                "of kind": action,
                "by": by,
                "of outcome": outcome,
                "begun since": since,
                "begun before": until,
                "before": before,
            },
            near,
        ),
        json=json,
        wrapping="target",
        limit=limit,
    )


@app.command("show", example="publisher actions show 7")
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", autocompletion=candidates.ids, help="An action's number.")],
    json: JsonFlag = False,
) -> None:
    """Show one action: who, when, what it was aimed at, how many routes or intents, and how it ended.

    A cancellation counts as done the routes that it marked, and at its end those alone that are cancelled by then.
    """
    with reading() as (settings, database):
        record = find_action(database, number(settings, database, id_, NamedKind.ACTION, "publisher actions show"))
    if json:
        print_json(asdict(record))
    else:
        print_record(asdict(record) | {"target": target_words(record.target)}, wrapping=["target"])


def _near(database: Database, action: str | None, by: str | None) -> list[str]:
    """The options of names on record that are spelled nearly as those that were given."""
    kinds = [f"--action {name}" for name in near_actions(database, action)]
    return kinds + [f"--by {shlex.quote(name)}" for name in near_operators(database, by)]
