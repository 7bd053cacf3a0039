"""Carries out `publisher trace`: prints everything that an id leads to as a tree."""

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from publisher.cli.ids import intents_stream
from publisher.cli.session import reading
from publisher.cli.terminal.layout import Tree
from publisher.cli.terminal.output import one_line, print_json, print_layout, say
from publisher.domain.door_ids import source_words
from publisher.domain.instants import readable
from publisher.operations.explain.answers import explain_mail
from publisher.operations.explain.cancellation_answer import cancelled_by
from publisher.operations.remedy.wording import worded
from publisher.operations.trace.history_fields import trace_fields
from publisher.operations.trace.lookup import MATCHES
from publisher.operations.trace.route_history import NotificationHistory, RouteHistory
from publisher.operations.trace.trace import Trace, trace
from publisher.operations.trace.wording import event_lines, notification_lines, step_lines
from storage.cancelling.cancellation_records import CancellationRecord

if TYPE_CHECKING:
    from publisher.operations.trace.entry_outcome import EntryOutcome


def print_trace(id_: str, producer: str | None, limit: int, *, json: bool) -> None:
    """Shows everything that has this id, with at most so many routes of each notification. Raises NotFound."""
    with reading() as (settings, database), intents_stream(settings) as intents:
        traced = trace(database, intents, id_, producer, limit=limit)
    if traced.found.unread is not None:
        say(f"publisher: the intents stream could not be asked: {one_line(str(traced.found.unread))}", sys.stderr)
    if json:
        for record in trace_fields(traced):
            print_json(record)
    else:
        _print(traced)


def _print(traced: Trace) -> None:
    """Prints a tree for each notification, below the entry that it came from."""
    found, histories = traced.found, traced.histories
    if found.entry is not None:
        print_layout(_entry(str(found.entry_id), found.entry))
    for history in histories:
        id_ = history.notification.notification_id
        print_layout(_notification(history, found.cancellations.get(id_), whole=traced.is_whole(history)))
    for pruned in found.pruned:
        tree = Tree(_head("notification", pruned.notification_id, "pruned"))
        tree.add(_line(f"pruned {readable(pruned.pruned_at)}: only its key is left"))
        if pruned.notification_id in found.cancellations:
            tree.add(_line(cancelled_by(found.cancellations[pruned.notification_id])))
        print_layout(tree)
    here = {h.notification.notification_id for h in histories} | {p.notification_id for p in found.pruned}
    for id_, cancellation in found.cancellations.items():
        if id_ not in here:
            key = f"{cancellation.producer}, key {cancellation.idempotency_key}"
            tree = Tree(_head("notification", id_, f"of {key}, not accepted"))
            tree.add(_line(cancelled_by(cancellation)))
            print_layout(tree)
    if len(histories) >= MATCHES:
        print(f"the newest {MATCHES} alone: choose with --producer")


def _entry(entry_id: str, outcome: "EntryOutcome") -> Tree:
    tree = Tree(_head("entry", entry_id, outcome.state.value))
    for sentence in outcome.sentences:
        tree.add(_line(worded(sentence)))
    return tree


def _notification(history: NotificationHistory, cancellation: CancellationRecord | None, *, whole: bool) -> Tree:
    """whole: all of its routes were asked for."""
    record, routes = history.notification, history.routes
    came_by = record.intent_entry_id or "that was not kept"
    what = source_words(came_by).removesuffix(f" {came_by}")
    root = Tree(_head(f"from {what}", came_by, f"{record.producer}, key {record.idempotency_key}"))
    node = root.add(_head("notification", record.notification_id, record.notification_type))
    for line in notification_lines(record, cancellation):
        node.add(_line(line))
    for each in routes:
        _add_route(node, each)
    if whole and record.route_count > len(routes):
        node.add(_line(f"{len(routes):,} of {record.route_count:,} routes: --limit {record.route_count}"))
    return root


def _add_route(node: Tree, each: RouteHistory) -> None:
    branch = node.add(_head("route", each.route.route_id, each.route.status.value))
    for line in step_lines(each):
        branch.add(_line(line))
    for line in each.command.sentences if each.command is not None else ():
        branch.add(_line(line))
    for line in event_lines(each):
        branch.add(_line(line))
    for sentence in explain_mail(each.route, each.mail):
        branch.add(_line(worded(sentence)))
    if not each.route.status.is_final:
        for sentence in each.explanation.next:
            branch.add(_line(f"next: {worded(sentence)}"))


def _head(what: str, id_: str, more: str) -> Text:
    return Text.assemble(f"{what} ", (one_line(id_), "bold"), f"  {one_line(more)}")


def _line(text: str) -> Text:
    return Text(one_line(text))
