"""`publisher dead-letters requeue`."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from publisher.cli.bulk import DryRunFlag, RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.ids import OptionalId, RouteId, number, place
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import ChannelOption, TypeOption
from publisher.cli.output import JsonFlag, YesFlag
from publisher.cli.session import opened
from publisher.domain.errors import BadRequest, NotFound
from publisher.operations.ids import NamedKind
from publisher.operations.requeue import DeadLetterFilter, plan_requeue, plan_requeue_rest

_WORDING = Wording("publisher dead-letters requeue", "requeued")

ClassificationOption = Annotated[
    str | None,
    typer.Option(
        "--classification", metavar="REASON", help="Only those given up for this, e.g. payload_encoding_failed."
    ),
]
SinceOption = Annotated[
    datetime | None,
    since_option("given up"),
]
UntilOption = Annotated[
    datetime | None,
    until_option("given up"),
]


def requeue(
    id_: OptionalId = None,
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

    One, by its id, or all that match the options. Says how many there are, and asks, before it begins. Routes given up
    meanwhile are left alone, and so are routes past their deadline: they would never be sent. Ctrl-C ends it between
    two batches; --resume does the rest.
    """
    matching = DeadLetterFilter(channel, type, classification, since, until)
    with opened() as (settings, database):
        if id_ is not None:
            named = place(settings, database, id_, route_id, command=_WORDING.command, own=NamedKind.DEAD_LETTER)
            matching = replace(
                matching, notification_id=named.notification_id, route_id=named.route_id, id=named.dead_letter
            )
        chosen = all_ or matching != DeadLetterFilter()
        if resume is not None and chosen:
            raise BadRequest("--resume takes its dead letters from the action: give no others")
        if resume is None and not chosen:
            raise BadRequest(
                "name a route, or say which dead letters: --channel, --type, --classification, --since, --all"
            )
        if resume is None:
            change = plan_requeue(database, settings, matching, operator(by))
        else:
            action = number(settings, database, resume, NamedKind.ACTION, f"{_WORDING.command} --resume")
            change = plan_requeue_rest(database, action, operator(by))
        if id_ is not None and not (change.matched or (change.past_deadline and change.past_deadline())):
            raise NotFound(f"{id_} has no dead letter that waits")
        question = f"Requeue {rest_of(change)}{change.matched:,} dead letters?"
        carry_out(settings, change, _WORDING, question, rate=rate, dry_run=dry_run, yes=yes, json=json)
