"""`publisher intents send`."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import typer

from publisher.bootstrap import open_client
from publisher.cli import losses, replay
from publisher.cli.files import opened
from publisher.cli.json_lines import json_lines
from publisher.cli.output import JsonFlag, one_line, print_json
from publisher.cli.session import configured
from publisher.domain.errors import PublisherError
from publisher.domain.intent_json import RefusedLine, intent_of_line
from publisher.settings.settings import Settings
from publisher.streams.producer import add_intents

app = typer.Typer(help="Send intents, take them in again, and look at those that were lost.", no_args_is_help=True)
app.command("replay", epilog="Example: publisher intents replay --since 2026-03-14T09:00 --dry-run")(replay.replay)
app.add_typer(losses.app, name="losses")
_BATCH = 500
_EXAMPLE = (
    """{"notification_type": "game.turn.ready", "producer": "game", "audience_kind": "user", """
    """"recipients": [{"user_id": "7", "email": "ann@example.com"}], "idempotency_key": "turn-17", """
    """"occurred_at_ms": 1773480413589, "payload": {"turn": 17}}"""
)


@app.callback()
def intents() -> None:
    """Send intents, take them in again, and look at those that were lost."""


@app.command("send", epilog=f"A line of FILE: {_EXAMPLE.replace('[', chr(92) + '[')}")
def send(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only validate: send nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Validate JSON lines and add them to the intents stream.

    The text of payload and recipients goes through as it stands. A line that intake would refuse is named with its
    reason and not sent; the others are. Sending a file again is harmless: an intent is accepted once per producer and
    idempotency_key. Exit code 1 if any line was bad.
    """
    settings = configured()
    sent = bad = 0
    client = open_client(settings, "send")
    with opened(file, "sending") as source:
        for batch, refused in _batches(json_lines(source, file), settings):
            for number, line in refused:
                print(f"line {number}, column {line.column}: {one_line(line.reason)}", file=sys.stderr)
            if not check:
                try:
                    add_intents(client, settings.intents_stream, batch)
                except PublisherError as error:
                    reason = str(error).rstrip(".")
                    raise type(error)(
                        f"{reason}; {sent:,} intents were sent before, and sending all again is harmless"
                    ) from error
            sent, bad = sent + len(batch), bad + len(refused)
    if json:
        print_json({"valid" if check else "sent": sent, "refused": bad})
    else:
        print(f"{sent:,} {'valid' if check else 'sent'}, {bad:,} refused")
    if bad:
        raise typer.Exit(1)


def _batches(
    lines: Iterable[tuple[int, bytes]], settings: Settings
) -> Iterator[tuple[list[Mapping[str, str]], list[tuple[int, RefusedLine]]]]:
    good: list[Mapping[str, str]] = []
    bad: list[tuple[int, RefusedLine]] = []
    for number, line in lines:
        fields = intent_of_line(line, settings.channels)
        if isinstance(fields, RefusedLine):
            bad.append((number, fields))
        else:
            good.append(fields)
        if len(good) + len(bad) == _BATCH:
            yield good, bad
            good, bad = [], []
    yield good, bad
