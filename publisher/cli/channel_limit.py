"""`publisher channels limit`."""

from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened
from publisher.cli.terminal.output import DRY_RUN, DryRunFlag, JsonFlag, YesFlag, confirm, print_json
from publisher.cli.waking import waker
from publisher.domain.durations import span
from publisher.domain.errors import BadRequest
from publisher.domain.rate_limit import RateLimit
from publisher.operations.channels.limits import (
    ChannelLimit,
    LimitOrigin,
    limit_channel,
    limit_fields,
    limit_of,
    routes_due,
    wanted_limit,
)
from publisher.operations.channels.limits_wording import said
from publisher.operations.names import installed_channel


def limit(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel's name.", autocompletion=candidates.channels)
    ],
    rate: Annotated[
        str | None, typer.Argument(metavar="RATE", help="Commands a second, minute or hour: 14/s, 600/m, 10000/h.")
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="How many may go at once after a quiet time. Default: one second's worth, at least 2.",
        ),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="No limit, whatever the settings say.")] = False,
    default: Annotated[bool, typer.Option("--default", help="The limit of the settings again.")] = False,
    dry_run: DryRunFlag = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Publish at most so fast on a channel, all workers together. Holds at once; routes wait, no attempt is counted.

    Exact: the stream gets no more than rate × time + burst commands in any window.
    """
    who = operator(by)
    with opened() as (settings, database):
        wanted = _wanted(rate, burst, none=none, default=default)
        of = settings.channels[installed_channel(settings, channel)]
        holds = limit_of(database, of)
        by_operator = holds.origin is LimitOrigin.OPERATOR
        if not by_operator if default else by_operator and holds.limit == wanted:
            _print(holds, json, already=True)
            return
        then = of.rate if default else wanted
        # Counting reads all open routes, a second for a million: it is done for whoever sees the number.
        if dry_run:
            _print_count(channel, then, routes_due(database, channel), json)
            return
        if not yes:
            due = _takes(routes_due(database, channel), then)
            confirm(f"{_question(channel, then, default=default)} {due}.", yes, instead=DRY_RUN)
        holds = limit_channel(database, of, wanted, who, default=default)
    _print(holds, json)
    # Imported by those who wake workers: the list of channels needs no actors.
    from publisher.bootstrap import install_context

    waker(install_context(settings, "limit"))(channel)


def _print_count(channel: str, limit: RateLimit | None, due: int, json: bool) -> None:
    if json:
        fields = {"per_second": limit.per_second, "burst": limit.burst} if limit else None
        seconds = round(limit.takes(due).total_seconds(), 3) if limit else None
        print_json({"channel": channel, "would_be": fields, "due": due, "seconds": seconds})
    else:
        would_be = "would have no rate limit" if limit is None else f"would be limited to {limit}"
        print(f"{channel} {would_be}: {_takes(due, limit)}")


def _takes(due: int, limit: RateLimit | None) -> str:
    """Words how many routes are due, and how long they take: `3,000 routes are due: about 3 min 34 s`."""
    many = f"{due:,} route{' is' if due == 1 else 's are'} due"
    return many if limit is None or not due else f"{many}: about {span(limit.takes(due))}"


def _print(holds: ChannelLimit, json: bool, *, already: bool = False) -> None:
    if json:
        print_json({"channel": holds.channel, "limit": limit_fields(holds)})
    else:
        print(said(holds, already=already))


def _wanted(rate: str | None, burst: int | None, *, none: bool, default: bool) -> RateLimit | None:
    if (rate is not None) + none + default != 1:
        raise BadRequest("give one of a rate such as 14/s, --none and --default")
    if rate is None:
        if burst is not None:
            raise BadRequest("--burst goes with a rate such as 14/s")
        return None
    return wanted_limit(rate, burst)


def _question(channel: str, limit: RateLimit | None, *, default: bool) -> str:
    settings = ", as its settings say" if default else ""
    if limit is None:
        return f"Publish on {channel} without a rate limit{settings}?"
    return f"Limit {channel} to {limit}{settings}?"
