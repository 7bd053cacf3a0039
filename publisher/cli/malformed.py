"""`publisher malformed list` and `show`."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.ids import numbers
from publisher.cli.resubmit import CodeOption, SinceOption, StreamOption, UntilOption, form_of, resubmit
from publisher.cli.session import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import BeforeOption, LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import JsonFlag, print_json, print_record
from publisher.domain.errors import BadRequest
from publisher.operations.ids.resolution import NamedKind
from publisher.operations.malformed.fields import readable_fields
from publisher.operations.malformed.records import MalformedFilter, MalformedRecord, find_malformed, list_malformed
from publisher.operations.malformed.remedies import remedy, remedy_commands
from publisher.operations.names import near_streams

app = CommandApp(
    "List intents and delivery events that were not accepted, and send them again.",
    example="publisher malformed list --since 1h\npublisher malformed show 17",
)
app.command("resubmit", example="publisher malformed resubmit --code unknown_channel --unchanged")(resubmit)
# Characters of a value that a terminal is shown.
_CHARACTERS = 400


@app.command("list", example="publisher malformed list --code unknown_channel --since yesterday")
def list_(
    code: CodeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    stream: StreamOption = None,
    resubmitted: Annotated[bool, typer.Option("--resubmitted", help="Those that were resubmitted, instead.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Those that were resubmitted, too.")] = False,
    before: BeforeOption = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List intents that were not accepted and not resubmitted, newest first; delivery events, too.

    Producer and type are shown as the entry has them: nothing has checked them. --stream tells the events apart.
    """
    matching = MalformedFilter(code and code.value, since, until, stream, None if all_ else resubmitted)
    with opened() as (settings, database):
        records = list_malformed(database, matching, before=before, limit=limit)
        near = [] if records else near_streams(database, settings, stream)
    sought = "malformed intent" if all_ else f"{'resubmitted' if resubmitted else 'waiting'} malformed intent"
    print_page(
        "Malformed intents",
        records,
        {
            "entry": lambda r: r.stream_entry_id,
            "code": lambda r: r.failure_code,
            "message": lambda r: r.failure_message,
            "resubmitted as": lambda r: r.resubmitted_as,
            "recorded": lambda r: r.recorded_at,
            "producer": lambda r: r.producer,
            "type": lambda r: r.notification_type,
        },
        asdict,
        nothing_found(
            sought,
            {
                "of code": code,
                "recorded since": since,
                "recorded before": until,
                "of stream": stream,
                "before": before,
            },
            [f"--stream {name}" for name in near],
        ),
        json=json,
        wrapping="message",
        limit=limit,
    )


@app.command("show", example="publisher malformed show 17")
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", autocompletion=candidates.ids, help="A malformed intent's number, or its stream entry id."
        ),
    ],
    form: Annotated[
        bool, typer.Option("--form", help="Print the form to correct, which `resubmit --file` takes.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Show one intent that was not accepted, with every field, and what can be done about it.

    Control characters, and bytes that are not UTF-8, are shown as escapes. On a terminal long values are shortened;
    --json has them whole, as they are recorded.
    """
    with opened() as (settings, database):
        found = numbers(settings, database, id_, NamedKind.MALFORMED)
        records = [find_malformed(database, number) for number in found]
    if form:
        _print_form(records, json=json)
        return
    for record in records:
        facts = record.facts
        if json:
            commands = [line for lines in _commands(record).values() for line in lines]
            more = {"remedy": remedy(facts.failure_code), "commands": commands, "raw_fields": record.raw_fields}
            print_json(asdict(facts) | more)
        else:
            _print(record)


def _print_form(records: list[MalformedRecord], *, json: bool) -> None:
    if json:
        raise BadRequest("--form is the form alone, and no record: leave out --json")
    if len(records) > 1:
        found = ", ".join(str(record.facts.id) for record in records)
        raise BadRequest(f"a form is of one intent, and this id names several malformed intents, {found}: name one")
    # UTF-8 wherever it goes, as `resubmit --file` reads it.
    sys.stdout.buffer.write(form_of(records[0]).encode())


def _print(record: MalformedRecord) -> None:
    facts = asdict(record.facts)
    # They stand among the fields.
    del facts["producer"], facts["notification_type"]
    print_record(facts | {"remedy": remedy(record.facts.failure_code)}, wrapping=["failure_message", "remedy"])
    print("\nfields")
    for name, value in readable_fields(record.raw_fields, _CHARACTERS if sys.stdout.isatty() else None):
        print(f"  {name}: {value}")
    for way, commands in _commands(record).items():
        print(f"\nto send it again, {way}")
        for line in commands:
            print(f"  {line}")


def _commands(record: MalformedRecord) -> dict[str, list[str]]:
    """The commands that send it again; none if that was done before."""
    facts = record.facts
    return {} if facts.resubmitted_at else remedy_commands(facts.failure_code, facts.id)
