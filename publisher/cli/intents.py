"""`publisher intents send`."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from publisher.bootstrap import configure_logs, load_settings, open_client
from publisher.cli.output import JsonFlag, one_line, print_json, progress
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.intent import Malformed, parse_intent
from publisher.domain.intent_json import fields_of_json
from publisher.settings import Settings
from publisher.streams.producer import add_intents

app = typer.Typer(help="Send intents, as a producer would.", no_args_is_help=True)
_BATCH = 500
_EXAMPLE = (
    """{"notification_type": "game.turn.ready", "producer": "game", "audience_kind": "user", """
    """"recipients": [{"user_id": "7", "email": "ann@example.com"}], "idempotency_key": "turn-17", """
    """"occurred_at_ms": 1773480413589, "payload": {"turn": 17}}"""
)


@app.callback()
def intents() -> None:
    """Send intents, as a producer would."""


@app.command("send", epilog=f"A line of FILE: {_EXAMPLE.replace('[', chr(92) + '[')}")
def send(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only validate: send nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Validate JSON lines and add them to the intents stream.

    A line that is no valid intent is named with its reason and not sent; the others are. Sending a file again is
    harmless: an intent is accepted once per producer and idempotency_key. Exit code 1 if any line was bad.
    """
    settings = load_settings()
    configure_logs(settings)
    sent = bad = 0
    client = open_client(settings, "send")
    with _lines(file) as lines:
        for batch, refused in _batches(lines, settings):
            for number, reason in refused:
                print(f"line {number}: {one_line(reason)}", file=sys.stderr)
            if not check:
                try:
                    add_intents(client, settings.intents_stream, batch)
                except PublisherError as error:
                    raise type(error)(
                        f"{error}; {sent:,} intents were sent before, and sending all again is harmless"
                    ) from error
            sent, bad = sent + len(batch), bad + len(refused)
    if json:
        print_json({"valid" if check else "sent": sent, "refused": bad})
    else:
        print(f"{sent:,} {'valid' if check else 'sent'}, {bad:,} refused")
    if bad:
        raise typer.Exit(1)


def _batches(
    lines: Iterable[bytes], settings: Settings
) -> Iterator[tuple[list[dict[str, str]], list[tuple[int, str]]]]:
    good: list[dict[str, str]] = []
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = _fields(line)
        reason = fields if isinstance(fields, str) else _refusal(fields, settings)
        if reason is not None:
            bad.append((number, reason))
        elif isinstance(fields, dict):
            good.append(fields)
        if len(good) + len(bad) == _BATCH:
            yield good, bad
            good, bad = [], []
    yield good, bad


def _fields(line: bytes) -> dict[str, str] | str:
    try:
        return fields_of_json(line.decode())
    except UnicodeDecodeError as error:
        return f"is not UTF-8: {error.reason}"


def _refusal(fields: dict[str, str], settings: Settings) -> str | None:
    try:
        raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    intent = parse_intent(raw, settings.channels)
    return f"{intent.code.value}: {intent.message}" if isinstance(intent, Malformed) else None


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    """The lines of the file, with a bar on a terminal that moves as they are read."""
    if file == "-":
        yield sys.stdin.buffer
        return
    columns = TextColumn("sending"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    try:
        with progress(*columns) as bar, bar.open(file, "rb") as opened:
            yield opened
    except OSError as error:
        raise BadRequest(f"cannot read {file!r}: {error.strerror}") from error
