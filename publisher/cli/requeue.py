"""`publisher dead-letters requeue`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from publisher.cli.bulk import (
    Batch,
    BulkAction,
    DryRunFlag,
    Manner,
    RateOption,
    ResumeOption,
    Work,
    carry_out,
    filter_of,
    resumable,
    target_of,
)
from publisher.cli.ids import RouteId, delivery
from publisher.cli.instants import METAVAR, instant
from publisher.cli.operator import ByOption, operator
from publisher.cli.output import JsonFlag, YesFlag
from publisher.cli.session import opened
from publisher.domain.errors import BadRequest, NotFound
from publisher.operations.names import check_names, check_type
from storage import dead_letters as store
from storage.database import Database
from storage.dead_letters import DeadLetterFilter

REQUEUE = BulkAction("requeue-dead-letters", "publisher dead-letters requeue", "requeued")

ChannelOption = Annotated[str | None, typer.Option("--channel", help="Only this channel's.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only those of this notification type.")]
ClassificationOption = Annotated[str | None, typer.Option("--classification", help="Only those given up for this.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", parser=instant, metavar=METAVAR, help="Only those given up since (UTC)."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option("--until", parser=instant, metavar=METAVAR, help="Only those given up before (UTC)."),
]


def requeue(
    notification_id: Annotated[str | None, typer.Argument(help="A notification id, or a whole delivery id.")] = None,
    route_id: RouteId = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter there is.")] = False,
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    classification: ClassificationOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Make routes pending again, due now, with all their attempts before them.

    One, by its id, or all that match the options. Says how many there are, and asks, before it begins. What is given
    up again meanwhile is left alone, and so is what is past its deadline: it would never be sent. Ctrl-C ends it
    between two batches; --resume does the rest.
    """
    matching = DeadLetterFilter(channel, type, classification, since, until)
    if notification_id is not None:
        notification, route = delivery(notification_id, route_id)
        matching = replace(matching, notification_id=notification, route_id=route)
    chosen = all_ or matching != DeadLetterFilter()
    if resume is not None and chosen:
        raise BadRequest("--resume takes its dead letters from the action: give no others")
    if resume is None and not chosen:
        raise BadRequest("name a route, or say which dead letters: --channel, --type, --classification, --since, --all")
    with opened() as (settings, database):
        check_names(database, settings, channel=channel, classification=classification)
        resumed = None if resume is None else resumable(database, resume, REQUEUE)
        if resumed is None:
            # The bound: what was counted, and asked about, is what will be done.
            matching = replace(matching, up_to=store.newest_dead_letter(database))
        else:
            matching = filter_of(DeadLetterFilter, resumed.target)
        count = store.count_dead_letters(database, matching)
        if not count:
            check_type(database, type)
        if notification_id is not None and not count:
            raise NotFound(f"{notification_id} has no dead letter that waits")
        asker = operator(by)
        rest = "" if resumed is None else f"the rest of action {resumed.id}, "
        in_time = count - store.count_past_deadline(database, matching)
        work = Work(
            target=target_of(matching),
            matched=in_time,
            question=f"Requeue {rest}{in_time:,} dead letters?",
            batches=partial(_batches, matching=matching, by=asker),
            past_deadline=partial(store.count_past_deadline, matching=matching),
        )
        carry_out(settings, database, REQUEUE, work, Manner(asker, rate, dry_run, yes, json, resumed))


def _batches(database: Database, action_id: int, limit: int, *, matching: DeadLetterFilter, by: str) -> Iterator[Batch]:
    """Page by page, newest first."""
    before, more = None, True
    while more and (ids := store.dead_letter_ids(database, matching, before=before, limit=limit)):
        changed: dict[str, int] = {}
        for route in store.requeue(database, ids, by, action_id):
            changed[route.channel] = changed.get(route.channel, 0) + 1
        before, more = ids[-1], len(ids) == limit
        yield Batch(changed, more)
