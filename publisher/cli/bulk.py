"""A change in bulk on the terminal: asks, shows a bar, lets Ctrl-C stop it, and prints how it ended."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from publisher.cli.completion import candidates
from publisher.cli.terminal.output import DRY_RUN, confirm, print_json, say
from publisher.cli.terminal.progress import progress
from publisher.cli.waking import waker
from publisher.operations.changes import bulk
from publisher.operations.changes.bulk import ActionOutcome, Change, Ended, Hooks
from publisher.process.signals import stop_on_signals
from publisher.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.context import Context

RateOption = Annotated[
    int | None, typer.Option("--rate", metavar="NUMBER", min=1, help="Change at most so many a second.")
]
ResumeOption = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="ACTION",
        autocompletion=candidates.actions,
        help="Do the rest of an action that was interrupted.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wording:
    """How the terminal speaks of one kind of change. command: its command line. done: a route after it, one word."""

    command: str
    done: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a change came to, where that is more than how many routes it changed.

    counts: by the names that --json prints, in the place of that number.
    said: the same in words.
    """

    counts: "Mapping[str, object]"
    said: str


def carry_out(
    settings: Settings,
    change: Change,
    wording: Wording,
    question: str,
    *,
    rate: int | None,
    dry_run: bool,
    yes: bool,
    json: bool,
    asked: str = "",
    then: "Callable[[Context], Came] | None" = None,
) -> None:
    """Asks the question, makes the change, and prints how it ended; with dry_run, or nothing to change, only counts.

    asked: the time that was asked for, such as 'given up from … on': said if nothing matches.
    then: called at the end of a change that was not cut short; returns what it came to.
    SIGINT and SIGTERM end it between two batches, with exit code 130 and a line on how to go on. Raises the error of a
    change that failed, with that same advice.
    """
    if dry_run or not (change.matched or change.resumed):
        _report(change, wording, None, json=json, asked=asked)
        return
    confirm(question, yes, instead=DRY_RUN)
    ended, came = _with_bar(settings, change, wording, rate, then)
    advice = f"go on with: {wording.command} --resume {ended.action}"
    if ended.error is not None:
        raise type(ended.error)(f"{ended.error}; {advice}") from ended.error
    _report(change, wording, ended, json=json, came=came)
    if ended.outcome is ActionOutcome.INTERRUPTED:
        print(f"publisher: interrupted; {advice}", file=sys.stderr)
        raise typer.Exit(130)


def rest_of(change: Change) -> str:
    """The words by which a question says that the change is the rest of an action; none if it is a new one."""
    return "" if change.resumed is None else f"the rest of action {change.resumed.id}, "


def _with_bar(
    settings: Settings, change: Change, wording: Wording, rate: int | None, then: "Callable[[Context], Came] | None"
) -> tuple[Ended, Came | None]:
    # Imported by those who change something: the lists beside it need no actors.
    from publisher.bootstrap import install_context

    context = install_context(settings, change.action)
    stop_on_signals(context.stopping)

    def stopping(pause: timedelta) -> bool:
        return context.stopping.wait(pause.total_seconds())

    columns = TextColumn(wording.done), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with progress(*columns) as bar:
        task = bar.add_task(wording.done, total=change.matched)
        hooks = Hooks(lambda count: bar.advance(task, count), stopping, waker(context))
        ended = bulk.carry_out(context.database, change, rate, hooks)
    came = then(context) if then is not None and ended.outcome is ActionOutcome.DONE else None
    return ended, came


def _report(
    change: Change, wording: Wording, ended: Ended | None, *, json: bool, asked: str = "", came: Came | None = None
) -> None:
    matched, done = (change.matched, 0) if ended is None else (ended.matched, ended.done)
    late = None if change.past_deadline is None else change.past_deadline()
    if json:
        past_deadline = {} if late is None else {"past_deadline": late}
        counts = {"matched": matched, **(came.counts if came else {wording.done: done}), **past_deadline}
        print_json({"action": ended and ended.action, **counts, "outcome": ended and ended.outcome})
    else:
        under = "" if ended is None else f" (action {ended.action})"
        left = f"; {late:,} past their deadline: left" if late else ""
        window = f" ({asked})" if asked and not matched else ""
        say(f"{matched:,} matched{window}, {came.said if came else f'{done:,} {wording.done}'}{under}{left}")
