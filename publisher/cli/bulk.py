"""Changing many routes at an operator's word: small batches at a pace, counted in the audit, to be taken up again."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from publisher.bootstrap import install_context
from publisher.cli.output import confirm, print_json, progress
from publisher.domain.errors import BadRequest, PublisherError
from publisher.operations.pace import Pace
from publisher.process.signals import stop_on_signals
from publisher.settings.settings import Settings
from storage.actions import ActionOutcome, ActionRecord, begin_action, end_action, find_action, resume_action
from storage.database import Database

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from actors.context import Context

RateOption = Annotated[int | None, typer.Option("--rate", min=1, help="So many routes a second at most.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
ResumeOption = Annotated[
    int | None,
    typer.Option("--resume", metavar="ACTION_ID", help="Go on with an action that was interrupted: do its rest."),
]
F = TypeVar("F", bound="DataclassInstance")

# A worker that is told more often finds nothing more.
_BETWEEN_WAKES = 1.0


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A kind of action. name: in the audit. command: its command line. done: what happened to a route, one word."""

    name: str
    command: str
    done: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A committed batch: how many routes of each channel it changed, and whether there may be more after it."""

    changed: Mapping[str, int]
    more: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done. target: the filter, as the audit keeps it. matched: how many routes it is about.

    batches: changes up to so many routes with each step, and counts them in the action of this id. past_deadline: how
    many more would match, but for their deadline; None: that is not counted.
    """

    target: Mapping[str, object]
    matched: int
    question: str
    batches: Callable[[Database, int, int], Iterable[Batch]]
    past_deadline: Callable[[Database], int] | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is to be done. by: who asks. resumed: the action that is taken up again, if any."""

    by: str
    rate: int | None
    dry_run: bool
    yes: bool
    json: bool
    resumed: ActionRecord | None


def target_of(matching: "DataclassInstance") -> dict[str, object]:
    """What is given in a filter, as the audit keeps it."""
    given = {f.name: getattr(matching, f.name) for f in fields(matching) if getattr(matching, f.name) != f.default}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in given.items()}


def filter_of(kind: type[F], target: Mapping[str, Any]) -> F:
    """The filter that the audit keeps."""
    given = {f.name: target[f.name] for f in fields(kind) if f.name in target}
    return kind(**{name: datetime.fromisoformat(v) if name in {"since", "until"} else v for name, v in given.items()})


def resumable(database: Database, action_id: int, action: BulkAction) -> ActionRecord:
    """The action of this id, to be taken up again. Raises NotFound, or BadRequest if that makes no sense."""
    record = find_action(database, action_id)
    if record.action != action.name:
        raise BadRequest(f"action {action_id} is {record.action!r}; this command goes on with {action.name!r}")
    if record.outcome is ActionOutcome.DONE:
        raise BadRequest(f"action {action_id} is done: nothing of it is left")
    return record


def carry_out(settings: Settings, database: Database, action: BulkAction, work: Work, how: Manner) -> None:
    """Asks, does the work batch by batch under an audit row, and says what became of it.

    SIGINT and SIGTERM end it between two batches, with exit code 130 and a line on how to go on. Raises whatever a
    batch raises, with that same advice.
    """
    if how.dry_run or not (work.matched or how.resumed):
        _report(action, None, work.matched, 0, None, _late(database, work), json=how.json)
        return
    confirm(work.question, how.yes)
    context = install_context(settings, action.name)
    stop_on_signals(context.stopping)
    action_id = _begin(database, action, work, how)
    advice = f"go on with: {action.command} --resume {action_id}"
    outcome = ActionOutcome.FAILED
    try:
        outcome = _work(context, action, work, action_id, Pace(how.rate))
    except PublisherError as error:
        raise type(error)(f"{error}; {advice}") from error
    finally:
        # If it is the database that failed, the action stays 'running', and can be taken up all the same.
        with suppress(PublisherError):
            end_action(context.database, action_id, outcome)
    record = find_action(database, action_id)
    _report(action, action_id, record.matched, record.done, outcome, _late(database, work), json=how.json)
    if outcome is ActionOutcome.INTERRUPTED:
        print(f"publisher: interrupted; {advice}", file=sys.stderr)
        raise typer.Exit(130)


def _begin(database: Database, action: BulkAction, work: Work, how: Manner) -> int:
    if how.resumed is None:
        return begin_action(database, action.name, how.by, work.target, work.matched)
    if not resume_action(database, how.resumed.id, how.by):
        raise BadRequest(f"action {how.resumed.id} is done: someone else went on with it")
    return how.resumed.id


def _work(context: "Context", action: BulkAction, work: Work, action_id: int, pace: Pace) -> ActionOutcome:
    columns = TextColumn(action.done), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with progress(*columns) as bar, _Waking(context) as waking:
        task = bar.add_task(action.done, total=work.matched)
        if context.stopping.is_set():
            return ActionOutcome.INTERRUPTED
        for batch, spent in _timed(work.batches(context.database, action_id, pace.batch)):
            count = sum(batch.changed.values())
            bar.advance(task, count)
            waking.of(batch.changed)
            if batch.more and context.stopping.wait(pace.pause(count, spent).total_seconds()):
                return ActionOutcome.INTERRUPTED
    return ActionOutcome.DONE


def _timed(batches: Iterable[Batch]) -> Iterator[tuple[Batch, timedelta]]:
    """Each batch with the time that it took."""
    began = time.monotonic()
    for batch in batches:
        yield batch, timedelta(seconds=time.monotonic() - began)
        began = time.monotonic()


class _Waking:
    """Tells the workers of changed channels to look, now and then while it goes on, and at its end.

    A hint: once one could not be sent, the scans do without the others (R14).
    """

    def __init__(self, context: "Context") -> None:
        self._context = context
        self._channels: set[str] = set()
        self._last = 0.0
        self._sends = True

    def __enter__(self) -> "_Waking":
        return self

    def __exit__(self, *_: object) -> None:
        self._send()

    def of(self, channels: Iterable[str]) -> None:
        """Notes that routes of these channels are due."""
        self._channels |= {name for name in channels if name in self._context.channels}
        if time.monotonic() - self._last >= _BETWEEN_WAKES:
            self._send()

    def _send(self) -> None:
        # Imported once the broker is set.
        from actors.routes import as_hint, send_scan

        while self._channels and self._sends:
            self._sends = as_hint(send_scan, self._channels.pop())
        self._last = time.monotonic()


def _late(database: Database, work: Work) -> int | None:
    return None if work.past_deadline is None else work.past_deadline(database)


def _report(
    action: BulkAction,
    action_id: int | None,
    matched: int,
    done: int,
    outcome: ActionOutcome | None,
    late: int | None,
    *,
    json: bool,
) -> None:
    if json:
        past_deadline = {} if late is None else {"past_deadline": late}
        print_json({"action": action_id, "matched": matched, action.done: done, **past_deadline, "outcome": outcome})
    else:
        under = "" if action_id is None else f" (action {action_id})"
        left = f"; {late:,} past their deadline: left" if late else ""
        print(f"{matched:,} matched, {done:,} {action.done}{under}{left}")
