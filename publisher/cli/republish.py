"""`publisher routes republish`."""

from collections.abc import Iterator, Sequence
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
from publisher.operations.names import check_type, installed_channel
from publisher.settings.settings import Settings
from storage import republishing as store
from storage.database import Database
from storage.republishing import PublishedFilter

REPUBLISH = BulkAction("republish-routes", "publisher routes republish", "republished")


def republish(
    notification_id: Annotated[str | None, typer.Argument(help="A notification id, or a whole delivery id.")] = None,
    route_id: RouteId = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel's.")] = None,
    type: Annotated[str | None, typer.Option("--type", help="Only those of this notification type.")] = None,  # noqa: A002 - the option's name
    since: Annotated[
        datetime | None,
        typer.Option("--since", parser=instant, metavar=METAVAR, help="Only those published since (UTC)."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", parser=instant, metavar=METAVAR, help="Only those published before (UTC); now."),
    ] = None,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Publish routes again that were published: for the day a consumer lost its stream.

    One notification or delivery, by its id, or all of a time window. They keep their delivery ids, which their
    consumers see a second time, and are published anew even within the dedup window. A route past its deadline is
    left alone. Says how many there are, and asks, before it begins. Ctrl-C ends it between two batches; --resume does
    the rest.
    """
    matching = PublishedFilter(channel, type, since, until)
    if notification_id is not None:
        notification, route = delivery(notification_id, route_id)
        matching = replace(matching, notification_id=notification, route_id=route)
    with opened() as (settings, database):
        _check(matching, settings, resume)
        resumed = None if resume is None else resumable(database, resume, REPUBLISH)
        if resumed is None:
            matching = replace(matching, until=store.window_end(database, until))
        else:
            matching = filter_of(PublishedFilter, resumed.target)
        channels = sorted(settings.channels) if matching.channel is None else [matching.channel]
        count = store.count_published(database, channels, matching)
        if not count:
            check_type(database, type)
        if notification_id is not None and not count:
            raise NotFound(f"{notification_id} has no published route that could be published again")
        rest = "" if resumed is None else f"the rest of action {resumed.id}, "
        work = Work(
            target=target_of(matching),
            matched=count,
            question=f"Publish {rest}{count:,} routes again? Their consumers will see these delivery ids once more.",
            batches=partial(_batches, channels=channels, matching=matching),
        )
        carry_out(settings, database, REPUBLISH, work, Manner(operator(by), rate, dry_run, yes, json, resumed))


def _check(matching: PublishedFilter, settings: Settings, resume: int | None) -> None:
    if resume is not None:
        if matching != PublishedFilter():
            raise BadRequest("--resume takes its routes from the action: give no others")
        return
    if matching.since is None and matching.notification_id is None:
        raise BadRequest("name a notification or a delivery, or say since when: --since 2026-03-14T09:00")
    if matching.since and matching.until and matching.since >= matching.until:
        raise BadRequest("nothing lies between --since and --until: the second must be later")
    if matching.channel is not None:
        installed_channel(settings, matching.channel)


def _batches(
    database: Database, action_id: int, limit: int, *, channels: Sequence[str], matching: PublishedFilter
) -> Iterator[Batch]:
    """Channel by channel, each in the order in which its routes were published."""
    for channel in channels:
        after, more = None, True
        while more:
            done = store.republish(database, channel, matching, after=after, limit=limit, action_id=action_id)
            after, more = done.last, done.last is not None
            yield Batch({channel: done.count} if done.count else {}, more or channel != channels[-1])
