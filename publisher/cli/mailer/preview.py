"""`publisher mailer preview`."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from publisher.cli.terminal.files import read_text, shown
from publisher.cli.terminal.output import JsonFlag, one_line, print_json, printable, say
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.mailbox import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from publisher.mail.templates.preview import Preview

# Of templates that name none, where PUBLISHER_MAIL_FROM is not set.
_SENDER = Mailbox("", "sender", "example.com")


def preview(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The notification type, such as shop.invoice.")],
    locale: Annotated[
        str, typer.Option("--locale", metavar="LOCALE", help="The recipient's; de-AT takes de-AT, else de, else en.")
    ] = "en",
    variables: Annotated[
        str | None,
        typer.Option(
            "--variables",
            metavar="FILE|-",
            help="A JSON object, as a producer's payload is; - reads standard input. Else the template's sample.",
        ),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(
            "--templates", metavar="FOLDER", help="The folder of the templates. Else PUBLISHER_MAIL_TEMPLATES."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Write subject.txt, text.txt, html.html and message.eml into this folder."
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show what a template makes: subject, text and HTML, as a recipient of this locale would get them.

    Needs no server and sends nothing. A fault is told in one line with its file and line. With --out, message.eml opens
    in a mail program.
    """
    # Jinja and the CSS inliner are imported by those who render.
    from publisher.mail.messages.faults import TemplateFault
    from publisher.mail.templates.preview import preview as rendered

    folder, sender = _mail_settings()
    folder = templates or folder
    if not folder:
        raise BadRequest(
            "say where the templates are: --templates FOLDER, or set PUBLISHER_MAIL_TEMPLATES; without either, those of"
            " `publisher up` are taken while it runs in this folder"
        )
    given = None if variables is None else _json_object(variables)
    found = rendered(Path(folder), template, locale, given, sender, datetime.now(UTC))
    if isinstance(found, TemplateFault):
        raise PublisherError(found.message)
    if not found.has_variables:
        say(f"publisher: {template}/sample.json is missing: rendered without variables", sys.stderr)
    written = [] if out is None else _write(Path(out), found)
    if json:
        print_json(_fields(template, found) | {"files": written})
    elif written:
        print("\n".join(printable(file) for file in written))
    else:
        _print(found)


def _mail_settings() -> tuple[str, Mailbox]:
    """Returns the folder of the templates, blank if none is set, and the sender. No other setting is looked at."""
    from publisher.environment import environ_beside_up
    from publisher.settings.mail import MailSettings

    settings, _ = MailSettings.read(environ_beside_up())
    return settings.templates, parse_mailbox(settings.sender) or _SENDER


def _json_object(file: str) -> Mapping[str, object]:
    import json

    text = read_text(file)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"{shown(file)} is not JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(
            f"{shown(file)} is not JSON that can be read: its numbers or its nesting are too large"
        ) from error
    if not isinstance(value, dict):
        raise BadRequest(f"{shown(file)} is no JSON object")
    return value


def _fields(template_id: str, found: "Preview") -> dict[str, object]:
    letter = found.letter
    return {
        "template_id": template_id,
        "locale": found.locale,
        "from": _written(found.sender),
        "reply_to": [_written(each) for each in letter.reply_to],
        "list_unsubscribe": letter.unsubscribe,
        "subject": _subject(found),
        "text": letter.text,
        "html": letter.html,
    }


def _print(found: "Preview") -> None:
    letter = found.letter
    print(f"locale: {printable(found.locale)}")
    print(f"from: {_written(found.sender)}")
    for name, values in (
        ("reply to", [_written(each) for each in letter.reply_to]),
        ("unsubscribe", letter.unsubscribe),
    ):
        if values:
            print(f"{name}: {', '.join(values)}")
    print(f"subject: {_subject(found)}")
    for name, body in (("text", letter.text), ("html", letter.html)):
        if body is not None:
            print(f"\n--- {name} ---")
            print("\n".join(printable(line) for line in body.split("\n")))


def _subject(found: "Preview") -> str:
    return one_line(found.letter.subject)


def _written(mailbox: Mailbox) -> str:
    return printable(f"{mailbox.name} <{mailbox.address}>" if mailbox.name else mailbox.address)


def _write(folder: Path, found: "Preview") -> list[str]:
    """Writes the parts into the folder, which is made if it is not there. Returns the files."""
    parts = {
        "subject.txt": found.letter.subject.encode(),
        "text.txt": found.letter.text.encode(),
        "html.html": None if found.letter.html is None else found.letter.html.encode(),
        "message.eml": found.message,
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in parts.items():
            if data is not None:
                (folder / name).write_bytes(data)
                written.append(str(folder / name))
    except OSError as error:
        raise BadRequest(f"cannot write into {str(folder)!r}: {error.strerror}") from error
    return written
