"""`publisher dead-letters list`, `show`, `requeue` and `discard`."""

from dataclasses import asdict
from typing import Annotated

import typer

from publisher.cli.dead_letter_choice import ClassificationOption, SinceOption, UntilOption
from publisher.cli.discard import discard
from publisher.cli.ids import place
from publisher.cli.options import AnyId, ChannelOption, RouteId, TypeOption
from publisher.cli.requeue import requeue
from publisher.cli.session import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import BeforeOption, LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import JsonFlag, print_json, print_record
from publisher.domain.notification import delivery_id_of
from publisher.operations.dead_letters import (
    DeadLetterFilter,
    DeadLetterRecord,
    dead_letters_of,
    list_dead_letters,
)
from publisher.operations.ids.resolution import NamedKind

app = CommandApp(
    "List routes that were given up; requeue or discard them.",
    example="publisher dead-letters list --since 1h\npublisher dead-letters requeue --channel email --dry-run",
)
app.command("requeue", example="publisher dead-letters requeue --channel email --rate 200")(requeue)
app.command("discard", example="publisher dead-letters discard --classification payload_encoding_failed")(discard)


@app.command("list", example="publisher dead-letters list --channel email --since 1h")
def list_(
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    classification: ClassificationOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Those requeued or discarded since, too.")] = False,
    before: BeforeOption = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List dead letters, newest first."""
    matching = DeadLetterFilter(channel, type, classification, since, until, requeued=None if all_ else False)
    with opened() as (settings, database):
        records = list_dead_letters(database, settings, matching, before=before, limit=limit)
    print_page(
        "Dead letters",
        records,
        {
            "notification_id": lambda r: r.notification_id,
            "route_id": lambda r: r.route_id,
            "requeued by": lambda r: r.requeued_by,
            "discarded by": lambda r: r.discarded_by,
            "classification": lambda r: r.classification,
            "attempts": lambda r: f"{r.attempt_count}/{r.max_attempts}",
            "given up": lambda r: r.dead_lettered_at,
            "type": lambda r: r.notification_type,
        },
        _fields,
        nothing_found(
            "dead letter" if all_ else "waiting dead letter",
            {
                "of channel": channel,
                "of type": type,
                "of classification": classification,
                "given up since": since,
                "given up before": until,
                "before": before,
            },
        ),
        json=json,
        limit=limit,
    )


@app.command("show", example="publisher dead-letters show ID")
def show(id_: AnyId, route_id: RouteId = None, json: JsonFlag = False) -> None:
    """Show every time a route was given up, and who requeued or discarded it.

    A dead letter's number shows that one alone.
    """
    with opened() as (settings, database):
        named = place(
            settings, database, id_, route_id, command="publisher dead-letters show", own=NamedKind.DEAD_LETTER
        )
        records = dead_letters_of(database, named.notification_id, named.route_id, named.dead_letter)
    for record in records:
        if json:
            print_json(_fields(record))
        else:
            print_record(_fields(record), wrapping=["message"])


def _fields(record: DeadLetterRecord) -> dict[str, object]:
    return {"delivery_id": delivery_id_of(record.notification_id, record.route_id)} | asdict(record)
