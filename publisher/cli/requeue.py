"""`publisher dead-letters requeue`."""

from typing import Annotated

import typer

from publisher.cli.bulk import RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.dead_letter_choice import ClassificationOption, SinceOption, UntilOption, chosen, letters, none_waits
from publisher.cli.ids import number
from publisher.cli.instants import window
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import ChannelOption, OptionalId, RouteId, TypeOption
from publisher.cli.session import opened
from publisher.cli.terminal.output import DryRunFlag, JsonFlag, YesFlag
from publisher.operations.changes.requeue import DeadLetterFilter, plan_requeue, plan_requeue_rest
from publisher.operations.ids.resolution import NamedKind

_WORDING = Wording("publisher dead-letters requeue", "requeued")


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
    """Make routes pending again, due now, with all of their attempts anew.

    One, by its id, or all that match the options. Says how many there are, and asks, before it begins. Routes given up
    meanwhile are left alone, and so are routes past their deadline: they would never be sent. Ctrl-C ends it between
    two batches; --resume does the rest.
    """
    matching = DeadLetterFilter(channel, type, classification, since, until)
    with opened() as (settings, database):
        matching = chosen(
            settings, database, matching, id_, route_id, all_=all_, resume=resume, command=_WORDING.command
        )
        if resume is None:
            change = plan_requeue(database, settings, matching, operator(by))
        else:
            action = number(settings, database, resume, NamedKind.ACTION, f"{_WORDING.command} --resume")
            change = plan_requeue_rest(database, action, operator(by))
        if id_ is not None and not (change.matched or (change.past_deadline and change.past_deadline())):
            raise none_waits(database, id_, matching)
        question = f"Requeue {rest_of(change)}{letters(change.matched)}?"
        asked = window("given up", since, until)
        carry_out(settings, change, _WORDING, question, rate=rate, dry_run=dry_run, yes=yes, json=json, asked=asked)
