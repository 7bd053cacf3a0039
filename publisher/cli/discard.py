"""`publisher dead-letters discard`."""

from dataclasses import replace
from typing import Annotated

import typer

from publisher.cli.bulk import DryRunFlag, RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.ids import RouteId, delivery
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import ChannelOption, TypeOption
from publisher.cli.output import JsonFlag, YesFlag
from publisher.cli.requeue import ClassificationOption, SinceOption, UntilOption, check_choice
from publisher.cli.session import opened
from publisher.domain.errors import NotFound
from publisher.operations.discard import DeadLetterFilter, plan_discard, plan_discard_rest

_WORDING = Wording("publisher dead-letters discard", "discarded")


def discard(
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
    """Mark dead letters as dealt with: they no longer wait, and cannot be requeued any more.

    For routes that no requeue helps, such as those with a bad address. One, by its id, or all that match the options.
    Says how many there are, and asks, before it begins. Who discarded them stays on record until they are pruned.
    Ctrl-C ends it between two batches; --resume does the rest.
    """
    matching = DeadLetterFilter(channel, type, classification, since, until)
    with opened() as (settings, database):
        if notification_id is not None:
            notification, route = delivery(notification_id, route_id)
            matching = replace(matching, notification_id=notification, route_id=route)
        check_choice(matching, all_, resume)
        if resume is None:
            change = plan_discard(database, settings, matching, operator(by))
        else:
            change = plan_discard_rest(database, resume, operator(by))
        if notification_id is not None and not change.matched:
            raise NotFound(f"{notification_id} has no dead letter that waits")
        question = f"Discard {rest_of(change)}{change.matched:,} dead letters? They cannot be requeued after that."
        carry_out(settings, change, _WORDING, question, rate=rate, dry_run=dry_run, yes=yes, json=json)
