"""Everything on record about a route: why it is where it is, what comes next, and what happened so far."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from publisher.domain.channel import Channel
from publisher.domain.circuit import Gate
from publisher.domain.stream_address import read_address
from publisher.operations.channels.limits import ChannelLimit, channel_limits
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation
from publisher.operations.explain.limited_queue import limited_queue
from publisher.operations.holds.holds import HoldRecord, holds_of, list_holds
from publisher.operations.trace.timeline import Step, timeline
from storage.answers.event_history import EventRecord, event_history
from storage.database import Database
from storage.dead_letters import DeadLetterRecord, dead_letters_of_routes
from storage.gates import read_gates
from storage.mail.progress import MailProgress, mail_progress
from storage.notifications import NotificationRecord
from storage.outcomes.failures import FailureRecord, failure_history
from storage.routes import RouteRecord, find_routes

if TYPE_CHECKING:
    # With redis-py, which a route that was not published does not need.
    from publisher.operations.trace.command_outcome import CommandOutcome

# The newest failures that are read of each route: more than all its attempts, some requeues over.
_FAILURES = 100
# The newest delivery events that are read of each route: a mail service sends a handful.
_EVENTS = 100
# The newest dead letters that are read of the routes together.
_DEAD_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class RouteHistory:
    """A route with everything on record about it.

    route: its stream is that of its own command, of the partitions of its channel.
    stream: where its channel would publish it now. None: the channel is not installed.
    failures, dead_letters: oldest first.
    events: what was answered about its commands, in the order in which it happened.
    mail: how far our mail service has come with it. None: it has not taken it up.
    command: what became of its command. None: it is not published, or Redis was not asked (`command_lookup` asks).
    """

    route: RouteRecord
    stream: str | None
    explanation: Explanation
    failures: Sequence[FailureRecord]
    dead_letters: Sequence[DeadLetterRecord]
    events: Sequence[EventRecord] = ()
    mail: MailProgress | None = None
    command: "CommandOutcome | None" = None

    @property
    def steps(self) -> Sequence[Step]:
        """Returns the steps of the route's history, in order."""
        return timeline(self.route, self.stream, self.failures, self.dead_letters)


@dataclass(frozen=True, slots=True)
class NotificationHistory:
    """A notification with the histories of its routes, or of as many as were asked for, in their order."""

    notification: NotificationRecord
    routes: Sequence[RouteHistory]


def notification_histories(
    database: Database,
    channels: Mapping[str, Channel],
    notifications: Iterable[NotificationRecord],
    route_id: str | None = None,
    *,
    limit: int,
) -> Sequence[NotificationHistory]:
    """Returns the history of each notification: of up to `limit` of its routes, or of the one that is named.

    channels: those that are installed. `routes` is empty if there is no route of this name.
    """
    gates, limits, holds = read_gates(database), channel_limits(database, channels), list_holds(database)
    return [
        NotificationHistory(found, _histories(database, channels, gates, limits, holds, found, route_id, limit))
        for found in notifications
    ]


def _histories(
    database: Database,
    channels: Mapping[str, Channel],
    gates: Mapping[str, Gate],
    limits: Mapping[str, ChannelLimit],
    holds: Sequence[HoldRecord],
    notification: NotificationRecord,
    route_id: str | None,
    limit: int,
) -> Sequence[RouteHistory]:
    notification_id = notification.notification_id
    routes = find_routes(database, notification_id, route_id, limit=limit)
    keys = [route.id for route in routes]
    failures = failure_history(database, keys, limit=_FAILURES)
    events, mails = event_history(database, keys, limit=_EVENTS), mail_progress(database, keys)
    dead_letters: dict[str, list[DeadLetterRecord]] = {}
    ids = [route.route_id for route in routes]
    for letter in dead_letters_of_routes(database, notification_id, ids, limit=_DEAD_LETTERS):
        dead_letters.setdefault(letter.route_id, []).append(letter)
    histories = []
    for route in map(_on_one_stream, routes):
        channel = channels.get(route.channel)
        stream = None if channel is None else _part(channel.address, route)
        letters = dead_letters.get(route.route_id, [])
        gate = gates.get(route.channel, Gate(route.channel))
        queue = limited_queue(database, limits, route)
        mail = mails.get(route.id)
        held = holds_of(route, notification.producer, holds)
        explanation = explain(route, gate, stream, letters[-1] if letters else None, queue, held, mail)
        told = failures.get(route.id, []), letters, events.get(route.id, [])
        histories.append(RouteHistory(route, stream, explanation, *told, mail))
    return histories


def _on_one_stream(route: RouteRecord) -> RouteRecord:
    return route if route.stream is None else replace(route, stream=_part(route.stream, route))


def _part(address: str, route: RouteRecord) -> str:
    return str(read_address(address).part(route.delivery_id))
