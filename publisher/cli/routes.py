"""`publisher routes list` and `show`; `cancel` and `republish` are beside it."""

from dataclasses import asdict
from typing import Annotated

import typer

from publisher.cli.cancel import cancel
from publisher.cli.completion import candidates
from publisher.cli.ids import place
from publisher.cli.options import AnswerOption, AnyId, ChannelOption, FaultOption, RouteId, TypeOption
from publisher.cli.republish import republish
from publisher.cli.session import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.listing import LimitOption, nothing_found, print_page
from publisher.cli.terminal.output import JsonFlag, print_json, print_record
from publisher.domain.errors import BadRequest
from publisher.domain.notification import RouteStatus
from publisher.operations.ids.resolution import NamedKind
from publisher.operations.routes import (
    AnswerFilter,
    RouteFilter,
    RouteRecord,
    expecting_answers,
    find_routes,
    list_routes,
)
from publisher.settings.settings import Settings
from storage.database import Database

app = CommandApp(
    "List routes, cancel them, and publish them again.",
    example="publisher routes list --status failed --channel email\n"
    "publisher routes cancel --channel email --type game.reminder --dry-run",
)
app.command(
    "cancel",
    example="publisher routes cancel turn-17\n"
    "publisher routes cancel --channel email --type game.reminder --dry-run\n"
    "publisher routes cancel --producer shop --since 1h --rate 500\n"
    "publisher routes cancel --resume 7",
)(cancel)
app.command(
    "republish",
    example="publisher routes republish --channel push --since 19:00 --rate 500\n"
    "publisher routes republish --answer failed --fault infrastructure --dry-run",
)(republish)


@app.command(
    "list",
    example="publisher routes list --status failed --channel email --json\n"
    "publisher routes list --answer bounced --fault infrastructure",
)
def list_(
    channel: ChannelOption = None,
    status: Annotated[RouteStatus | None, typer.Option(help="Only those of this status.")] = None,
    notification: Annotated[
        str | None,
        typer.Option(metavar="ID", autocompletion=candidates.notifications, help="Of this notification alone."),
    ] = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    answer: AnswerOption = None,
    fault: FaultOption = None,
    unanswered: Annotated[
        bool,
        typer.Option(
            "--unanswered",
            help="Only those without an answer for longer than PUBLISHER_<CHANNEL>_ANSWER_WITHIN, once the channel"
            " has ever been answered.",
        ),
    ] = False,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ID", help="Show the next page: those before this route.")
    ] = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List routes, newest first."""
    with opened() as (settings, database):
        of = notification and place(settings, database, notification, command="publisher routes list --notification")
        late = expecting_answers(settings, channel) if unanswered else None
        answered = AnswerFilter(answer, fault)
        matching = RouteFilter(channel, status, of.notification_id if of else None, type, answered, late)
        last = _last_seen(settings, database, before)
        records = list_routes(database, settings, matching, before=last, limit=limit)
    print_page(
        "Routes",
        records,
        {
            "status": lambda r: r.status,
            "failed attempts": lambda r: f"{r.attempt_count}/{r.max_attempts}",
            "due": lambda r: r.next_attempt_at,
            "last failure": lambda r: r.last_failure_classification,
            "type": lambda r: r.notification_type,
            "answer": _answer,
            "answered": lambda r: r.answered_at,
        },
        _fields,
        nothing_found(
            "route",
            {
                "of channel": channel,
                "of status": status,
                "of notification": of.notification_id if of else None,
                "of type": type,
                "with answer": answer,
                "with fault": fault,
                "unanswered for longer than": "its channel expects" if unanswered else None,
                "before": before,
            },
        ),
        json=json,
        limit=limit,
        id_name="delivery_id",
        id_of=lambda r: r.delivery_id,
    )


@app.command("show", example="publisher routes show ID")
def show(
    id_: AnyId,
    route_id: RouteId = None,
    json: JsonFlag = False,
) -> None:
    """Show one route whole, or each route of a notification."""
    with opened() as (settings, database):
        named = place(settings, database, id_, route_id, command="publisher routes show", own=NamedKind.ROUTE)
        records = find_routes(database, named.notification_id, named.route_id)
    for record in records:
        if json:
            print_json(_fields(record))
        else:
            # The delivery id leads to the route in every command; a bare number is of another kind in most.
            shown = {name: value for name, value in _fields(record).items() if name != "id"}
            print_record(shown, wrapping=["last_failure_message"])


def _answer(record: RouteRecord) -> str | None:
    said = [record.answer.value] if record.answer is not None else []
    return ", ".join([*said, "complained"] if record.complained else said) or None


def _last_seen(settings: Settings, database: Database, id_: str | None) -> int | None:
    """Returns the number of the route after which the page begins. id_: its delivery id, or its number from --json.

    Raises BadRequest for the id of a whole notification.
    """
    if id_ is None or id_.isdecimal():
        return None if id_ is None else int(id_)
    named = place(settings, database, id_, command="publisher routes list --before", own=NamedKind.ROUTE)
    if named.route_id is None:
        raise BadRequest(f"--before takes the delivery_id of one route, and {id_!r} is a notification")
    [route] = find_routes(database, named.notification_id, named.route_id)
    return route.id


def _fields(record: RouteRecord) -> dict[str, object]:
    # A token is no one's business but its holder's; that there is one shows in the expiry.
    hidden = ("lease_token", "expires_at", "read_at")
    fields = {name: value for name, value in asdict(record).items() if name not in hidden}
    return {"delivery_id": record.delivery_id} | fields
