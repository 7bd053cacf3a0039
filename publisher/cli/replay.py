"""`publisher intents replay`."""

import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.instants import window
from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened, streams
from publisher.cli.terminal.output import DRY_RUN, DryRunFlag, JsonFlag, YesFlag, confirm, print_json, say
from publisher.cli.terminal.progress import progress
from publisher.cli.waking import waker
from publisher.connections import open_servers
from publisher.domain.errors import BadRequest
from publisher.domain.replay import ReplayRange
from publisher.operations.changes.replay import (
    ActionOutcome,
    ReplayByHand,
    ReplayEnded,
    ReplayTally,
    ReplayWindow,
    ranges_of,
)
from publisher.process.signals import stop_on_signals
from publisher.settings.settings import Settings


def replay(
    since: Annotated[datetime | None, since_option("sent")] = None,
    until: Annotated[
        datetime | None,
        until_option("sent"),
    ] = None,
    older_too: Annotated[
        bool,
        typer.Option("--older-too", help="Also those sent before the dedup window: they may go out twice."),
    ] = False,
    dry_run: DryRunFlag = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Take intents in again that PostgreSQL lacks and their stream still has: after a restore from a backup, say.

    Intake does this by itself where it notices that PostgreSQL went back. What PostgreSQL knows is left alone, and what
    nobody has read yet is left to intake. A command that was published within the dedup window is not published
    again; what was sent before that is left out without --older-too. Says how many there are, and asks, before it
    begins. Ctrl-C ends it between two pages; the same command does the rest.
    """
    with opened() as (settings, database), streams(settings) as servers:
        if since is None:
            raise BadRequest("say since when: --since 1h")
        asked = ReplayWindow(since, until, older_too)
        wanted = ranges_of(servers, settings, asked)
        survey = ReplayByHand(database, servers, settings, wanted, threading.Event())
        with progress(TextColumn("looking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
            task = bar.add_task("looking", total=None)
            found = survey.survey(lambda seen: bar.advance(task, seen))
    if dry_run or not found.missing:
        _report(None, found, json=json)
        if not found.seen and not json:
            say(f"nothing was {window('sent', since, until)}")
        return
    twice = " What was published before the dedup window is published a second time." if older_too else ""
    confirm(
        f"Take {found.missing:,} intents in again, of {found.seen:,} sent in this time?{twice}", yes, instead=DRY_RUN
    )
    ended = _run(settings, wanted, asked, found, operator(by))
    _report(ended, ended.tally, json=json)
    if ended.outcome is ActionOutcome.INTERRUPTED:
        print("publisher: interrupted; the same command does the rest", file=sys.stderr)
        raise typer.Exit(130)


def _run(
    settings: Settings, wanted: Mapping[str, ReplayRange], window: ReplayWindow, found: ReplayTally, by: str
) -> ReplayEnded:
    # Imported by those who change something: the lists beside it need no actors.
    from publisher.bootstrap import install_context

    context = install_context(settings, "replay-intents")
    stop_on_signals(context.stopping)
    work = ReplayByHand(context.database, open_servers(settings, "cli"), settings, wanted, context.stopping)
    with progress(TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("replaying", total=found.seen)
        return work.run(by, window, found.missing, lambda seen: bar.advance(task, seen), waker(context))


def _report(ended: ReplayEnded | None, tally: ReplayTally, *, json: bool) -> None:
    if json:
        print_json({"action": ended and ended.action, **asdict(tally), "outcome": ended and ended.outcome})
        return
    under = "" if ended is None else f" (action {ended.action})"
    say(f"{tally.seen:,} looked at, {tally.missing:,} missing, {tally.replayed:,} taken in again{under}")
    if tally.left_out:
        say(f"{tally.left_out:,} more are missing, sent before the dedup window: --older-too takes them in, too")
