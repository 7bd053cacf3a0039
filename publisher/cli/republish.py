"""`publisher routes republish`."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from publisher.cli.bulk import RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.ids import number, place
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.instants import window
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import AnswerOption, ChannelOption, FaultOption, OptionalId, RouteId, TypeOption
from publisher.cli.session import opened
from publisher.cli.terminal.output import DryRunFlag, JsonFlag, YesFlag
from publisher.domain.errors import BadRequest, NotFound
from publisher.operations.changes.republish import PublishedFilter, plan_republish, plan_republish_rest
from publisher.operations.ids.resolution import NamedKind

_WORDING = Wording("publisher routes republish", "republished")


def republish(
    id_: OptionalId = None,
    route_id: RouteId = None,
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    answer: AnswerOption = None,
    fault: FaultOption = None,
    since: Annotated[
        datetime | None,
        since_option("published"),
    ] = None,
    until: Annotated[
        datetime | None,
        until_option("published"),
    ] = None,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Publish routes again that were published: for the day a consumer lost its stream.

    One notification or delivery, by its id, all of a time window, or all with an answer. They keep their delivery ids,
    which their consumers see a second time, and are published anew even within the dedup window. A route past its
    deadline is left alone.

    Of --answer failed, bounced, rejected, suppressed and deferred every published route is taken; none, accepted and
    delivered need --since. The mail service does not send again what it has sent, whatever was answered later: it
    answers 'accepted' anew. So mend the cause first (guide operating, "Was it delivered?").

    Says how many there are, and asks, before it begins. Ctrl-C ends it between two batches; --resume does
    the rest.
    """
    matching = PublishedFilter(channel, type, since, until, answer=answer, fault=fault)
    with opened() as (settings, database):
        if id_ is not None:
            named = place(settings, database, id_, route_id, command=_WORDING.command, own=NamedKind.ROUTE)
            matching = replace(matching, notification_id=named.notification_id, route_id=named.route_id)
        _refuse_contradictions(matching, resume)
        if resume is None:
            change = plan_republish(database, settings, matching, operator(by))
        else:
            action = number(settings, database, resume, NamedKind.ACTION, f"{_WORDING.command} --resume")
            change = plan_republish_rest(database, settings, action, operator(by))
        if id_ is not None and not change.matched:
            raise NotFound(f"{id_} has no published route that could be published again")
        question = (
            f"Publish {rest_of(change)}{change.matched:,} route{'' if change.matched == 1 else 's'} again?"
            " Their consumers will see these delivery ids once more."
        )
        asked = window("published", since, until)
        carry_out(settings, change, _WORDING, question, rate=rate, dry_run=dry_run, yes=yes, json=json, asked=asked)


def _refuse_contradictions(matching: PublishedFilter, resume: str | None) -> None:
    if resume is not None:
        if matching != PublishedFilter():
            raise BadRequest("--resume takes its routes from the action: give no others")
        return
    if matching.since is None and matching.notification_id is None and not matching.answered.is_ill:
        raise BadRequest("name a notification or a delivery, or say since when: --since 1h")
