"""`publisher retention run`."""

import threading
from contextlib import ExitStack

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.output import DRY_RUN, DryRunFlag, JsonFlag, YesFlag, confirm, print_json, say, show
from publisher.cli.terminal.progress import progress
from publisher.operations.changes.prune import REPORTED, PrunedBatch, count_old, kept_for, prune
from publisher.process.signals import stop_on_signals

app = CommandApp(
    "Prune old records now, without waiting for the scheduler.", example="publisher retention run --dry-run"
)


@app.command("run", example="publisher retention run --dry-run")
def run(
    dry_run: DryRunFlag = False,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Prune notifications, malformed intents, operators' actions and keys that are older than they are kept.

    Old notifications of which a route is open, or was changed lately, stay. Ctrl-C ends it between two batches; what
    is pruned by then stays pruned, and running it again does the rest.
    """
    done = dict.fromkeys(("notifications", "routes", *(kind.name for kind in REPORTED)), 0)
    with opened() as (settings, database):
        old, kept = count_old(database, settings.keeping), kept_for(settings.keeping)
        if dry_run:
            _report(old, done, json=json)
            return
        question = f"Prune those of {old:,} notifications accepted {show(kept)} ago or earlier that are over?"
        confirm(question, yes, instead=DRY_RUN)
        stopping = threading.Event()
        stop_on_signals(stopping)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        # An error in the midst leaves batches that are pruned: they are reported as well.
        with ExitStack() as at_the_end, progress(*columns) as bar:
            task = bar.add_task("pruning", total=old)

            def on_batch(batch: PrunedBatch) -> None:
                bar.advance(task, batch.seen)
                for name, count in batch.counts.items():
                    done[name] += count

            complete = prune(
                database,
                settings.keeping,
                operator(by),
                old=old,
                stopping=stopping.is_set,
                on_begin=lambda: at_the_end.callback(_report, old, done, json=json),
                on_batch=on_batch,
            )
    if not complete:
        raise typer.Abort


def _report(old: int, done: dict[str, int], *, json: bool) -> None:
    if json:
        print_json({"old_notifications": old, **done})
    else:
        pruned = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in done.items())
        say(f"{old:,} notifications were old; pruned: {pruned}")
