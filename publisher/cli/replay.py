"""`publisher intents replay`."""

import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from publisher.bootstrap import install_context, open_client
from publisher.cli.bulk import DryRunFlag
from publisher.cli.instants import METAVAR, instant
from publisher.cli.operator import ByOption, operator
from publisher.cli.output import JsonFlag, YesFlag, confirm, print_json, progress
from publisher.cli.session import opened
from publisher.domain.entry_ids import before, first_at, place
from publisher.domain.errors import BadRequest
from publisher.domain.replay import ReplayRange, witnessed_since
from publisher.intake.acceptor import Acceptor
from publisher.intake.incoming import incoming
from publisher.intake.replay import IntentsReplay
from publisher.operations.replay import ReplayByHand, ReplayTally
from publisher.process.signals import stop_on_signals
from publisher.settings.settings import Settings
from publisher.streams.health import read_clock
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_progress import read_progress
from storage.actions import ActionOutcome
from storage.database import Database
from storage.intents import Acceptance

if TYPE_CHECKING:
    from actors.context import Context

_NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


def replay(
    since: Annotated[
        datetime | None, typer.Option("--since", parser=instant, metavar=METAVAR, help="Only those sent since (UTC).")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", parser=instant, metavar=METAVAR, help="Only those sent before (UTC); now."),
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
    if since is None:
        raise BadRequest("say since when: --since 2026-03-14T09:00")
    if until is not None and since >= until:
        raise BadRequest("nothing lies between --since and --until: the second must be later")
    with opened() as (settings, database), open_client(settings, "cli") as client:
        delivered = read_progress(client, settings.intents_stream, settings.intents_group)
        if delivered is None:
            raise BadRequest(f"nothing was read of {settings.intents_stream} yet: there is nothing to replay")
        last = delivered.delivered if until is None else min(before(first_at(until)), delivered.delivered, key=place)
        wanted = ReplayRange(
            before(first_at(since)),
            last,
            None,
            _NO_INSTANT
            if older_too
            else witnessed_since(read_clock(client), settings.dedup_window, settings.route_lease_ttl),
        )
        work = _work(settings, database, threading.Event(), wanted, lambda _: None)
        with progress(TextColumn("looking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
            task = bar.add_task("looking", total=None)
            found = work.survey(lambda seen: bar.advance(task, seen))
    if dry_run or not found.missing:
        _report(None, None, found, json=json)
        return
    twice = " What was published before the dedup window is published a second time." if older_too else ""
    confirm(f"Take {found.missing:,} intents in again, of {found.seen:,} sent in this time?{twice}", yes)
    target = {"since": since, "until": until, "older_too": older_too, "stream": settings.intents_stream}
    _run(settings, wanted, found, operator(by), {name: v for name, v in target.items() if v is not None}, json=json)


def _run(
    settings: Settings, wanted: ReplayRange, found: ReplayTally, by: str, target: dict[str, object], *, json: bool
) -> None:
    context = install_context(settings, "replay-intents")
    stop_on_signals(context.stopping)
    channels: set[str] = set()
    work = _work(settings, context.database, context.stopping, wanted, lambda accepted: channels.update(accepted.due))
    with progress(TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("replaying", total=found.seen)
        action_id, outcome, tally = work.run(by, target, found.missing, lambda seen: bar.advance(task, seen))
    _wake(context, channels)
    _report(action_id, outcome, tally, json=json)
    if outcome is ActionOutcome.INTERRUPTED:
        print("publisher: interrupted; the same command does the rest", file=sys.stderr)
        raise typer.Exit(130)


def _work(
    settings: Settings,
    database: Database,
    stopping: threading.Event,
    wanted: ReplayRange,
    on_accepted: Callable[[Acceptance], None],
) -> ReplayByHand:
    # Of its own: the group's replies are read raw. It reads nothing for this consumer, which is no member.
    group = IntentsGroup(open_client(settings, "cli"), settings.intents_stream, settings.intents_group, "replay")
    acceptor = Acceptor(database, settings.intents_stream, stopping, lambda _: None)
    replay = IntentsReplay(
        database,
        settings.intents_stream,
        group,
        acceptor,
        lambda entry: incoming(entry, settings.channels),
        on_accepted,
    )
    return ReplayByHand(database, replay, wanted, settings.batch_size, stopping)


def _wake(context: "Context", channels: set[str]) -> None:
    # Imported once the broker is set. A hint: the scans find everything (R14).
    from actors.routes import as_hint, send_scan

    for channel in channels & set(context.channels):
        as_hint(send_scan, channel)


def _report(action_id: int | None, outcome: ActionOutcome | None, tally: ReplayTally, *, json: bool) -> None:
    if json:
        print_json({"action": action_id, **asdict(tally), "outcome": outcome})
        return
    under = "" if action_id is None else f" (action {action_id})"
    print(f"{tally.seen:,} looked at, {tally.missing:,} missing, {tally.replayed:,} taken in again{under}")
    if tally.left_out:
        print(f"{tally.left_out:,} more are missing, sent before the dedup window: --older-too takes them in, too")
