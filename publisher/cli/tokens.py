"""`publisher tokens add`, `list` and `revoke`."""

import sys
from typing import Annotated

import typer

from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened, reading
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import print_page
from publisher.cli.terminal.output import JsonFlag, YesFlag, confirm, one_line, print_json, say
from publisher.operations import tokens
from publisher.operations.tokens import Sends, TokenRecord

app = CommandApp(
    "Make and revoke the tokens with which producers and mail services send over HTTP.",
    example="publisher tokens add shop --purpose 'the web shop'\npublisher tokens list\npublisher tokens revoke 3",
)
TokenNumber = Annotated[
    int, typer.Argument(metavar="NUMBER", min=1, help="The token's number, as 'tokens list' shows it.")
]


@app.command(
    "add",
    example="publisher tokens add shop --purpose 'the web shop'\n"
    "publisher tokens add our-gateway --sends events --purpose 'push answers'\n"
    "publisher tokens add shop --sends intents --sends events --purpose 'both'",
)
def add(
    producer: Annotated[
        str,
        typer.Argument(
            metavar="PRODUCER", help="The producer of the intents, and the source of the events, that come with it."
        ),
    ],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What it is for; 'tokens list' shows it.")],
    sends: Annotated[
        list[Sends] | None, typer.Option("--sends", help="What it may send; give it twice for both. Else intents.")
    ] = None,
    by: ByOption = None,
    json: JsonFlag = False,
) -> None:
    """Make a token and print it, this once: PostgreSQL keeps its hash alone.

    It stands alone on standard output, so that a secret store can read it there.
    """
    who = operator(by)
    with opened() as (_, database):
        made = tokens.add(database, producer, purpose, sends or [Sends.INTENTS], who)
    if json:
        print_json(tokens.token_fields(made.record) | {"token": made.token})
        return
    say(f"publisher: {one_line(f'token {made.record.id}: {_worded(made.record)}; it is shown this once')}", sys.stderr)
    print(made.token)


@app.command("list", example="publisher tokens list\npublisher tokens list --all --json")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Also those that were revoked.")] = False, json: JsonFlag = False
) -> None:
    """List the tokens that let somebody in: of which producer, what for, by whom made, and when last used."""
    with reading() as (_, database):
        found = [each for each in tokens.list_tokens(database) if all_ or each.revoked_at is None]
    revoked = {"revoked": lambda r: r.revoked_at, "revoked by": lambda r: r.revoked_by} if all_ else {}
    print_page(
        "Tokens",
        found,
        {
            "producer": lambda r: r.producer,
            "sends": lambda r: ", ".join(r.sends),
            "purpose": lambda r: r.purpose,
            "made": lambda r: r.created_at,
            "by": lambda r: r.created_by,
            "last used": lambda r: r.last_used_at,
            **revoked,
        },
        tokens.token_fields,
        "there is no token",
        json=json,
        wrapping="purpose",
    )


@app.command("revoke", example="publisher tokens revoke 3")
def revoke(number: TokenNumber, by: ByOption = None, yes: YesFlag = False, json: JsonFlag = False) -> None:
    """Revoke a token: the next request with it is refused, whichever process it reaches. There is no way back."""
    who = operator(by)
    with opened() as (_, database):
        found = tokens.find(database, number)
        if found.revoked_at is None:
            used = "never used" if found.last_used_at is None else "in use"
            confirm(one_line(f"Revoke token {number}, {used}: {_worded(found)}?"), yes)
        revoked = tokens.revoke(database, number, who)
    if json:
        print_json(tokens.token_fields(revoked))
    else:
        print(one_line(f"token {revoked.id} is revoked: {_worded(revoked)}"))


def _worded(record: TokenRecord) -> str:
    """Words whose token it is: `intents of shop, for the web shop`."""
    return f"{' and '.join(record.sends)} of {record.producer}, for {record.purpose}"
