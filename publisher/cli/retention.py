"""`publisher retention run`."""

import threading
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from publisher.cli.operator import ByOption, operator
from publisher.cli.output import JsonFlag, YesFlag, confirm, print_json, progress, show
from publisher.cli.session import opened
from publisher.domain.errors import BadRequest
from publisher.domain.retention import Retention
from publisher.process.signals import stop_on_signals
from storage import retention
from storage.actions import ActionOutcome, advance_action, begin_action, end_action
from storage.database import Database

app = typer.Typer(help="Prune what is over, now and not at the clock's time.", no_args_is_help=True)


@app.command("run", epilog="Example: publisher retention run --dry-run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Prune notifications, malformed intents, operators' actions and keys that are older than they are kept.

    Old notifications of which a route is open, or was changed lately, stay. Ctrl-C ends it between two batches; what
    is pruned by then stays pruned, and running it again does the rest.
    """
    with opened() as (settings, database):
        keeping = settings.keeping
        if keeping.records is None:
            raise BadRequest("PUBLISHER_RETENTION is 0: everything is kept for ever")
        old = retention.count_old_notifications(database, keeping.records)
        done = dict.fromkeys(("notifications", "routes", "malformed_intents", "operator_actions", "keys"), 0)
        if dry_run:
            _report(old, done, json=json)
            return
        confirm(
            f"Prune those of {old:,} notifications accepted {show(keeping.records)} ago or earlier that are over?", yes
        )
        stopping = threading.Event()
        stop_on_signals(stopping)
        target = {"older_than_seconds": keeping.records.total_seconds()}
        action = begin_action(database, "prune", operator(by), target, old)
        outcome = ActionOutcome.FAILED
        try:
            _prune_notifications(database, keeping.records, old, action, stopping, done)
            _prune_records(database, keeping, stopping, done)
            outcome = ActionOutcome.INTERRUPTED if stopping.is_set() else ActionOutcome.DONE
        finally:
            end_action(database, action, outcome)
            _report(old, done, json=json)
    if outcome is ActionOutcome.INTERRUPTED:
        raise typer.Abort


def _prune_notifications(
    database: Database, kept: timedelta, old: int, action: int, stopping: threading.Event, done: dict[str, int]
) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with progress(*columns) as bar:
        task = bar.add_task("pruning", total=old)
        after, more = None, True
        while more and not stopping.is_set():
            pruned = retention.prune_notifications(database, kept, after=after)
            if pruned.notifications:
                advance_action(database, action, pruned.notifications)
            done["notifications"] += pruned.notifications
            done["routes"] += pruned.routes
            after, more = pruned.last, pruned.last is not None
            bar.advance(task, pruned.seen)


def _prune_records(database: Database, keeping: Retention, stopping: threading.Event, done: dict[str, int]) -> None:
    for name, prune, kept in (
        ("malformed_intents", retention.prune_malformed, keeping.records),
        ("operator_actions", retention.prune_actions, keeping.records),
        ("keys", retention.prune_keys, keeping.keys),
    ):
        while kept is not None and not stopping.is_set() and (count := prune(database, kept)):
            done[name] += count


def _report(old: int, done: dict[str, int], *, json: bool) -> None:
    if json:
        print_json({"old_notifications": old, **done})
    else:
        pruned = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in done.items())
        print(f"{old:,} notifications were old; pruned: {pruned}")
