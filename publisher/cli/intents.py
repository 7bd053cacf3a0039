"""`publisher intents send`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer

from publisher.cli import losses, replay
from publisher.cli.session import configured
from publisher.cli.terminal.files import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.json_lines import json_lines
from publisher.cli.terminal.output import JsonFlag, one_line, print_json, print_record, say
from publisher.connections import check_redis_url, open_servers
from publisher.domain.errors import PublisherError
from publisher.domain.intent_json import RefusedLine, Written, WrittenCancellation, intent_of_line
from publisher.operations.wording import names
from publisher.settings.settings import Settings
from publisher.streams.producer import add_intents

app = CommandApp(
    "Send intents, take them in again, and list those that were lost.",
    example="publisher intents send intents.jsonl\npublisher intents losses list",
)
app.command("replay", example="publisher intents replay --since 2026-03-14T09:00 --dry-run")(replay.replay)
app.add_typer(losses.app, name="losses")
_BATCH = 500
# How many of the sent intents are shown, on a terminal and in the JSON object.
_SHOWN, _SHOWN_JSON = 3, 1000


@app.callback()
def intents() -> None:
    """Send intents, take them in again, and list those that were lost."""


@app.command(
    "send",
    example="publisher intents send --check intents.jsonl\npublisher intents send intents.jsonl\n"
    """echo '{"producer": "shop", "cancels": "order-7"}' | publisher intents send -""",
)
def send(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only validate: send nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Validate JSON lines and add them to the intents stream.

    A line is one intent, or a cancellation of one, with the fields of 'publisher guide producers'. The text of payload
    and recipients goes through as it stands. A line that intake would refuse is named with its reason and not sent; the
    others are. Sending a file again is harmless: an intent is accepted once per producer and idempotency_key. Shows the
    ids of what was sent, and how to look them up. Exit code 1 if any line was bad.
    """
    settings = configured()
    sent = bad = 0
    shown: list[tuple[str | None, Written]] = []
    if not check and not settings.intents_server:
        check_redis_url(settings, "send")
    servers = open_servers(settings, "send")
    with opened(file, "sending") as source:
        for batch, refused in _batches(json_lines(source, file), settings):
            for number, line in refused:
                say(f"line {number}, column {line.column}: {one_line(line.reason)}", sys.stderr)
            entry_ids: Sequence[str | None] = [None] * len(batch)
            if not check:
                try:
                    entry_ids = add_intents(servers, settings.intents, [line.fields for line in batch])
                except PublisherError as error:
                    reason = str(error).rstrip(".")
                    raise type(error)(
                        f"{reason}; {sent:,} intents were sent before, and sending all again is harmless"
                    ) from error
            sent, bad = sent + len(batch), bad + len(refused)
            room = (_SHOWN_JSON if json else _SHOWN) - len(shown)
            shown += list(zip(entry_ids, batch, strict=True))[: max(0, room)]
    if json:
        intents = [_ids(*each) for each in shown]
        print_json({"valid" if check else "sent": sent, "refused": bad, "intents": intents})
    else:
        _print(shown, sent, check=check)
        print(f"{sent:,} {'valid' if check else 'sent'}, {bad:,} refused")
    if bad:
        raise typer.Exit(1)


def _print(shown: Sequence[tuple[str | None, Written]], sent: int, *, check: bool) -> None:
    """Prints the ids of the first few intents, and the command that looks each up once it is sent."""
    for entry_id, line in shown:
        fields = _ids(entry_id, line)
        print_record(
            {
                **({} if check else {"entry": entry_id}),
                "producer": fields["producer"],
                "idempotency key": fields["idempotency_key"],
                "notification": fields["notification_id"],
                **_to(line),
                **({} if check else {"look it up": f"publisher trace {entry_id}"}),
            }
        )
        print()
    if sent > len(shown):
        print(f"and {sent - len(shown):,} more: look each up with publisher trace IDEMPOTENCY_KEY")


def _to(line: Written) -> dict[str, object]:
    if isinstance(line, WrittenCancellation):
        return {"cancels": "what of it is not published yet"}
    count = len(line.intent.recipients)
    by = names(line.channels) or "no channel that reaches any"
    return {"to": f"{count:,} recipient{'' if count == 1 else 's'}, by {by}"}


def _ids(entry_id: str | None, line: Written) -> dict[str, object]:
    if isinstance(line, WrittenCancellation):
        cancelled = line.cancellation
        return {
            "entry_id": entry_id,
            "producer": cancelled.producer,
            "cancels": cancelled.idempotency_key,
            "idempotency_key": cancelled.idempotency_key,
            "notification_id": cancelled.notification_id,
        }
    intent = line.intent
    return {
        "entry_id": entry_id,
        "producer": intent.producer,
        "idempotency_key": intent.idempotency_key,
        "notification_id": intent.notification_id,
        "recipients": len(intent.recipients),
        "channels": line.channels,
    }


def _batches(
    lines: Iterable[tuple[int, bytes]], settings: Settings
) -> Iterator[tuple[list[Written], list[tuple[int, RefusedLine]]]]:
    good: list[Written] = []
    bad: list[tuple[int, RefusedLine]] = []
    for number, line in lines:
        read = intent_of_line(line, settings.channels)
        if isinstance(read, RefusedLine):
            bad.append((number, read))
        else:
            good.append(read)
        if len(good) + len(bad) == _BATCH:
            yield good, bad
            good, bad = [], []
    yield good, bad
