"""`publisher mailer held list`, `send` and `settle`."""

from typing import Annotated

import typer

from publisher.cli.bulk import RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.ids import number, place
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import OptionalId, RouteId
from publisher.cli.session import opened, reading
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import DryRunFlag, JsonFlag, YesFlag
from publisher.domain.errors import BadRequest, NotFound
from publisher.operations import held
from publisher.operations.changes.bulk import Change
from publisher.operations.held import HeldFilter, SettledAs
from publisher.operations.ids.resolution import NamedKind
from publisher.settings.settings import Settings
from storage.database import Database

app = CommandApp(
    "List the messages that may have been accepted; send them again, or settle them.",
    example="publisher mailer held list\npublisher mailer held send --all --dry-run\n"
    "publisher mailer held settle ID --as accepted",
)
_LIST = "publisher mailer held list"
_SEND = Wording("publisher mailer held send", "requeued")
_SETTLE = Wording("publisher mailer held settle", "settled")
AllOption = Annotated[bool, typer.Option("--all", help="Every message that is held.")]


@app.command("list", example="publisher mailer held list --json")
def list_(
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="DELIVERY_ID", help="Show the next page: those held before this one."),
    ] = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List the messages that an operator decides about, those held last first.

    Each may have been accepted while the reply of the SMTP server was lost. They are held where
    PUBLISHER_MAIL_UNSURE is hold.
    """
    with reading() as (_, database):
        records = held.list_held_mail(database, HeldFilter(), before=before, limit=limit)
    print_page(
        "Held messages",
        records,
        {
            "held since": lambda r: r.held_at,
            "type": lambda r: r.notification_type,
            "unsure": lambda r: r.unsure,
            "tries": lambda r: r.tries,
        },
        held.held_fields,
        nothing_found("held message", {"before": before}),
        json=json,
        limit=limit,
        id_name="delivery_id",
        id_of=lambda r: r.delivery_id,
    )


@app.command("send", example="publisher mailer held send ID\npublisher mailer held send --all --rate 50")
def send(
    id_: OptionalId = None,
    route_id: RouteId = None,
    all_: AllOption = False,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Have the mail service send held messages again, each with the same Message-ID.

    A recipient who has it already may get it twice. One, by its id, or all. Says how many there are, and asks, before
    it begins. Ctrl-C ends it between two batches; --resume does the rest.
    """
    with opened() as (settings, database):
        if resume is None:
            matching = _chosen(settings, database, id_, route_id, all_=all_, command=_SEND.command)
            change = held.plan_send(database, matching, operator(by))
        else:
            _only_resume(id_, all_=all_)
            change = held.plan_send_rest(database, _action(settings, database, resume, _SEND), operator(by))
        _must_be_held(id_, change)
        question = f"Send {rest_of(change)}{_messages(change.matched)} again? Some may arrive twice."
        carry_out(settings, change, _SEND, question, rate=rate, dry_run=dry_run, yes=yes, json=json)


@app.command(
    "settle",
    example="publisher mailer held settle ID --as accepted\npublisher mailer held settle --all --as failed --dry-run",
)
def settle(
    id_: OptionalId = None,
    route_id: RouteId = None,
    as_: Annotated[
        SettledAs | None,
        typer.Option(
            "--as",
            metavar="OUTCOME",
            help="accepted: it was taken over. failed: it was not, and is not to be sent again.",
        ),
    ] = None,
    all_: AllOption = False,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Say what became of held messages: nothing is sent, and they are answered so.

    The SMTP server's log knows it, or the recipient. The event has the source `operator`. What is settled as failed is
    sent by 'publisher routes republish' alone. Ctrl-C ends it between two batches; --resume does the rest.
    """
    with opened() as (settings, database):
        if resume is None:
            if as_ is None:
                raise BadRequest("say what became of them: --as accepted or --as failed")
            matching = _chosen(settings, database, id_, route_id, all_=all_, command=_SETTLE.command)
            change = held.plan_settle(database, matching, as_, operator(by))
        else:
            _only_resume(id_, all_=all_ or as_ is not None)
            change = held.plan_settle_rest(database, _action(settings, database, resume, _SETTLE), operator(by))
        _must_be_held(id_, change)
        question = f"Settle {rest_of(change)}{_messages(change.matched)} as {held.settled_as_of(change)}?"
        carry_out(settings, change, _SETTLE, question, rate=rate, dry_run=dry_run, yes=yes, json=json)


def _chosen(
    settings: Settings, database: Database, id_: str | None, route_id: str | None, *, all_: bool, command: str
) -> HeldFilter:
    """Returns which messages are meant. Raises BadRequest unless the command line says which, and only once."""
    if (id_ is None) != all_:
        raise BadRequest(f"name a delivery, or say --all, and not both: see '{_LIST}'")
    if id_ is None:
        return HeldFilter()
    named = place(settings, database, id_, route_id, command=command)
    return HeldFilter(named.notification_id, named.route_id)


def _only_resume(id_: str | None, *, all_: bool) -> None:
    if id_ is not None or all_:
        raise BadRequest("--resume takes its messages from the action: give no others")


def _action(settings: Settings, database: Database, resume: str, wording: Wording) -> int:
    return number(settings, database, resume, NamedKind.ACTION, f"{wording.command} --resume")


def _must_be_held(id_: str | None, change: Change) -> None:
    if id_ is not None and not change.matched:
        raise NotFound(f"no message of {id_} is held: 'publisher trace' shows what became of it, '{_LIST}' those held")


def _messages(count: int) -> str:
    return f"{count:,} held message{'' if count == 1 else 's'}"
