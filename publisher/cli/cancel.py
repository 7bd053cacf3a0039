"""`publisher routes cancel`."""

import sys
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from publisher.cli.bulk import Came, RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.ids import number, place
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.instants import window
from publisher.cli.operator import ByOption, operator
from publisher.cli.options import ChannelOption, OptionalId, ProducerOption, RecipientOption, RouteId, TypeOption
from publisher.cli.session import opened
from publisher.cli.terminal.output import DryRunFlag, JsonFlag, YesFlag, one_line, say
from publisher.domain.errors import BadRequest, NotFound, PublisherError
from publisher.operations.changes.cancel import CancelFilter, Cancellations, Cancelling, plan_cancel, plan_cancel_rest
from publisher.operations.ids.resolution import NamedKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.context import Context

_WORDING = Wording("publisher routes cancel", "cancelled")


def cancel(
    id_: OptionalId = None,
    route_id: RouteId = None,
    all_: Annotated[bool, typer.Option("--all", help="Every route that has not ended.")] = False,
    channel: ChannelOption = None,
    type: TypeOption = None,  # noqa: A002 - the option's name
    producer: ProducerOption = None,
    recipient: RecipientOption = None,
    since: Annotated[datetime | None, since_option("accepted")] = None,
    until: Annotated[datetime | None, until_option("accepted")] = None,
    rate: RateOption = None,
    dry_run: DryRunFlag = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Stop routes that are not published yet: they are never sent.

    One notification or delivery, by its id, or all that match the options: open routes, and dead letters that wait.
    Says how many there are, and asks, before it begins. A route that a worker has in its hands is cancelled once its
    attempt ends without a command; one whose command stands already is published, and says so. Ctrl-C ends it between
    two batches; --resume does the rest.
    """
    if all_ and id_ is not None:
        raise BadRequest(f"--all is every route that has not ended, and {id_} one notification or delivery: give one")
    matching = CancelFilter(channel, type, producer, recipient, since, until)
    with opened() as (settings, database):
        if id_ is not None:
            named = place(settings, database, id_, route_id, command=_WORDING.command)
            matching = replace(
                matching, notification_id=named.notification_id, route_id=named.route_id, dead_letter=named.dead_letter
            )
        _refuse_contradictions(matching, resume, all_=all_)
        if resume is None:
            cancelling = plan_cancel(database, settings, matching, operator(by))
        else:
            action = number(settings, database, resume, NamedKind.ACTION, f"{_WORDING.command} --resume")
            cancelling = plan_cancel_rest(database, action, operator(by))
        change = cancelling.change
        if id_ is not None and not change.matched:
            raise NotFound(
                f"{id_} has no route that could be cancelled: 'publisher explain {id_}' says what became of it"
            )
        carry_out(
            settings,
            change,
            _WORDING,
            f"Cancel {rest_of(change)}{_routes(cancelling)}? What is cancelled is never sent.",
            rate=rate,
            dry_run=dry_run,
            yes=yes,
            json=json,
            asked=window("accepted", since, until),
            then=_settled(cancelling),
        )


def _refuse_contradictions(matching: CancelFilter, resume: str | None, *, all_: bool) -> None:
    any_chosen = all_ or matching != CancelFilter()
    if resume is not None and any_chosen:
        raise BadRequest("--resume takes its routes from the action: give no others")
    if resume is None and not any_chosen:
        raise BadRequest(
            "name a notification or a delivery, or say which routes:"
            " --channel, --type, --producer, --recipient, --since, --all"
        )


def _routes(cancelling: Cancelling) -> str:
    matched, dead = cancelling.change.matched, cancelling.dead_letters
    of_them = f", {dead:,} of them dead letters" if dead else ""
    return f"{matched:,} route{'' if matched == 1 else 's'}{of_them}"


def _settled(cancelling: Cancelling) -> "Callable[[Context], Came]":
    def settle(context: "Context") -> Came:
        def end(channel: str) -> bool:
            return not context.stopping.is_set() and context.publisher.end_routes(channel, told=False)

        try:
            cancelling.settle(context.channels, end)
        except PublisherError as error:
            say(f"publisher: the marked routes are ended later: {one_line(str(error))}", sys.stderr)
        done = cancelling.come_to(context.database)
        return Came(asdict(done), _said(done))

    return settle


def _said(done: Cancellations) -> str:
    said = [f"{done.cancelled:,} cancelled"]
    if done.published:
        said.append(f"{done.published:,} too late: their commands stood already")
    if done.under_way:
        said.append(f"{done.under_way:,} under way: cancelled once their attempts end without a command")
    if done.waiting:
        said.append(f"{done.waiting:,} waiting to be ended: the next scan does that")
    if done.otherwise:
        said.append(f"{done.otherwise:,} past their deadline")
    if done.missed:
        said.append(f"{done.missed:,} published meanwhile, or ended otherwise")
    return ", ".join(said)
