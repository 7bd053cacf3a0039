"""`publisher dead-letters list`, `show` and `requeue`."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from publisher.bootstrap import configure_logs, install_context, load_settings, open_patient_database
from publisher.cli.ids import NotificationId, RouteId, delivery
from publisher.cli.operator import ByOption, operator
from publisher.cli.output import (
    JsonFlag,
    LimitOption,
    YesFlag,
    confirm,
    print_json,
    print_record,
    print_table,
    progress,
)
from publisher.domain.errors import BadRequest, NotFound
from publisher.domain.notification import delivery_id_of
from storage import dead_letters as store
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, DeadLetterRecord

app = typer.Typer(help="Look at routes that were given up, and take them back.", no_args_is_help=True)
_BATCH = 500

ChannelOption = Annotated[str | None, typer.Option("--channel", help="Only this channel's.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only those of this notification type.")]
ClassificationOption = Annotated[str | None, typer.Option("--classification", help="Only those given up for this.")]
SinceOption = Annotated[datetime | None, typer.Option("--since", help="Only those given up since (UTC).")]
UntilOption = Annotated[datetime | None, typer.Option("--until", help="Only those given up before (UTC).")]


@app.command("list", epilog="Example: publisher dead-letters list --channel email --since 2026-03-01")
def list_(
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    classification: ClassificationOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Those requeued since, too.")] = False,
    before: Annotated[int | None, typer.Option(help="The next page: the last id of the one before.")] = None,
    limit: LimitOption = 50,
    json: JsonFlag = False,
) -> None:
    """List dead letters, newest first."""
    settings = load_settings()
    configure_logs(settings)
    matching = DeadLetterFilter(
        channel, type, classification, _utc(since), _utc(until), requeued=None if all_ else False
    )
    with closing(open_patient_database(settings, "cli")) as database:
        records = store.list_dead_letters(database, matching, before=before, limit=limit)
    if json:
        for record in records:
            print_json(_fields(record))
        return
    print_table(
        "Dead letters",
        ["id", "notification_id", "route_id", "requeued by", "classification", "attempts", "given up", "type"],
        [
            [
                str(r.id),
                r.notification_id,
                r.route_id,
                r.requeued_by,
                r.classification,
                f"{r.attempt_count}/{r.max_attempts}",
                r.dead_lettered_at,
                r.notification_type,
            ]
            for r in records
        ],
        folding="route_id",
        optional=5,
    )
    if len(records) == limit:
        print(f"more: --before {records[-1].id}")


@app.command("show")
def show(notification_id: NotificationId, route_id: RouteId = None, json: JsonFlag = False) -> None:
    """Show every time a route was given up, and who took it back."""
    settings = load_settings()
    configure_logs(settings)
    matching = _named(notification_id, route_id)
    with closing(open_patient_database(settings, "cli")) as database:
        records = store.list_dead_letters(database, replace(matching, requeued=None), before=None, limit=1000)
    if not records:
        raise NotFound(f"{notification_id} has no dead letter")
    for record in records:
        if json:
            print_json(_fields(record))
        else:
            print_record(_fields(record))


@app.command("requeue", epilog="Example: publisher dead-letters requeue --channel email --since 2026-03-01")
def requeue(
    notification_id: Annotated[str | None, typer.Argument(help="A notification id, or a whole delivery id.")] = None,
    route_id: RouteId = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter there is.")] = False,
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    classification: ClassificationOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Make routes pending again, due now, with all their attempts before them.

    One, by its id, or all that match the options. Says how many there are, and asks, before it begins.
    """
    settings = load_settings()
    configure_logs(settings)
    matching = DeadLetterFilter(channel, type, classification, _utc(since), _utc(until))
    if notification_id is not None:
        matching = _named(notification_id, route_id, matching)
    elif matching == DeadLetterFilter() and not all_:
        raise BadRequest("name a route, or say which dead letters: --channel, --type, --classification, --since, --all")
    with closing(open_patient_database(settings, "cli")) as database:
        count = store.count_dead_letters(database, matching)
        if dry_run or not count:
            _report(json, count, 0)
            if notification_id is not None and not count:
                raise NotFound(f"{notification_id} has no dead letter that waits")
            return
        confirm(f"Requeue {count:,} dead letters?", yes)
        done: dict[str, int] = {}
        with progress() as bar:
            task = bar.add_task("requeueing", total=count)
            for requeued in _requeue_in_batches(database, matching, operator(by)):
                for route in requeued:
                    done[route.channel] = done.get(route.channel, 0) + 1
                bar.advance(task, len(requeued))
    _report(json, count, sum(done.values()))
    install_context(settings, "requeue")
    from actors.routes import as_hint, send_scan

    for name in done:
        as_hint(send_scan, name)


def _requeue_in_batches(database: Database, matching: DeadLetterFilter, by: str) -> Iterator[list[store.Requeued]]:
    """Page by page, newest first: what is given up again meanwhile is newer, and not taken twice."""
    before = None
    while page := store.list_dead_letters(database, matching, before=before, limit=_BATCH):
        yield store.requeue(database, [record.id for record in page], by)
        before = page[-1].id


def _named(notification_id: str, route_id: str | None, matching: DeadLetterFilter | None = None) -> DeadLetterFilter:
    notification, route = delivery(notification_id, route_id)
    return replace(matching or DeadLetterFilter(), notification_id=notification, route_id=route)


def _report(json: bool, matched: int, requeued: int) -> None:
    if json:
        print_json({"matched": matched, "requeued": requeued})
    else:
        print(f"{matched:,} matched, {requeued:,} requeued")


def _fields(record: DeadLetterRecord) -> dict[str, object]:
    return {"delivery_id": delivery_id_of(record.notification_id, record.route_id)} | asdict(record)


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=UTC)
