"""`publisher routes list`, `show` and `republish`."""

from dataclasses import asdict
from typing import Annotated

import typer

from publisher.cli import candidates
from publisher.cli.help import CommandApp
from publisher.cli.ids import AnyId, RouteId, place
from publisher.cli.listing import BeforeOption, LimitOption, nothing_found, print_page
from publisher.cli.options import ChannelOption, TypeOption
from publisher.cli.output import JsonFlag, print_json, print_record
from publisher.cli.republish import republish
from publisher.cli.session import opened
from publisher.domain.notification import RouteStatus
from publisher.operations.ids import NamedKind
from publisher.operations.routes import RouteFilter, RouteRecord, find_routes, list_routes

app = CommandApp(
    "List routes, and publish them again.", example="publisher routes list --status failed --channel email"
)
app.command("republish", example="publisher routes republish --channel push --since 19:00 --rate 500")(republish)


@app.command("list", example="publisher routes list --status failed --channel email --json")
def list_(
    channel: ChannelOption = None,
    status: Annotated[RouteStatus | None, typer.Option(help="Only those of this status.")] = None,
    notification: Annotated[
        str | None,
        typer.Option(metavar="ID", autocompletion=candidates.notifications, help="Of this notification alone."),
    ] = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    before: BeforeOption = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List routes, newest first."""
    with opened() as (settings, database):
        of = notification and place(settings, database, notification, command="publisher routes list --notification")
        matching = RouteFilter(channel, status, of.notification_id if of else None, type)
        records = list_routes(database, settings, matching, before=before, limit=limit)
    print_page(
        "Routes",
        records,
        {
            "notification_id": lambda r: r.notification_id,
            "route_id": lambda r: r.route_id,
            "status": lambda r: r.status,
            "attempts": lambda r: f"{r.attempt_count}/{r.max_attempts}",
            "due": lambda r: r.next_attempt_at,
            "last failure": lambda r: r.last_failure_classification,
            "type": lambda r: r.notification_type,
        },
        _fields,
        nothing_found(
            "route",
            {
                "of channel": channel,
                "of status": status,
                "of notification": of.notification_id if of else None,
                "of type": type,
                "before": before,
            },
        ),
        json=json,
        limit=limit,
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
            print_record(_fields(record), wrapping=["last_failure_message"])


def _fields(record: RouteRecord) -> dict[str, object]:
    # A token is no one's business but its holder's; that there is one shows in the expiry.
    hidden = ("lease_token", "expires_at", "read_at")
    fields = {name: value for name, value in asdict(record).items() if name not in hidden}
    return {"delivery_id": record.delivery_id} | fields
