"""A route's story, as `explain` and `trace` tell it: why it is where it is, what comes next, and all that happened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from publisher.domain.channel import Channel
from publisher.domain.circuit import Gate
from publisher.operations.explain import Explanation, explain
from publisher.operations.timeline import FailedAttempt, GivenUp, Step, journey
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, DeadLetterRecord, list_dead_letters
from storage.failures import FailureRecord, failure_history
from storage.routes import RouteRecord, find_routes

# Of each route the newest. More than all its attempts, some requeues over.
_HISTORY = 100
# Of a notification the newest.
_DEAD_LETTERS = 1000
# What stands in a route's record and not in its explanation.
_NOT_TOLD = ("id", "notification_type", "resolved_email", "resolved_locale", "lease_token")
# What a failure or a dead letter repeats of its route.
_SAME = ("notification_id", "route_id", "channel")


@dataclass(frozen=True, slots=True)
class Story:
    """A route with everything that is known of it. stream: where its channel publishes now, if it is installed."""

    route: RouteRecord
    stream: str | None
    explanation: Explanation
    failures: Sequence[FailureRecord]
    dead_letters: Sequence[DeadLetterRecord]

    @property
    def steps(self) -> Sequence[Step]:
        """What happened to the route, in order."""
        return journey(
            self.route,
            self.stream,
            [FailedAttempt(f.failed_at, f.attempt_number, f.classification, f.message) for f in self.failures],
            [GivenUp(d.dead_lettered_at, d.requeued_at, d.requeued_by) for d in self.dead_letters],
        )

    def fields(self) -> dict[str, object]:
        """All of it, by the names that --json prints."""
        return {
            "delivery_id": self.route.delivery_id,
            **_without(self.route, *_NOT_TOLD),
            "stream": (self.route.stream if self.route.published_at else None) or self.stream,
            **asdict(self.explanation),
            "failures": [_without(f, "id", *_SAME) for f in self.failures],
            "dead_letters": [_without(d, *_SAME, "notification_type") for d in self.dead_letters],
        }


def stories(
    database: Database,
    channels: Mapping[str, Channel],
    gates: Mapping[str, Gate],
    notification_id: str,
    route_id: str | None,
    *,
    limit: int,
) -> list[Story]:
    """The stories of up to `limit` routes of a notification, or of the one that is named, in their order."""
    routes = find_routes(database, notification_id, route_id, limit=limit)
    failures = failure_history(database, [route.id for route in routes], limit=_HISTORY)
    matching = DeadLetterFilter(notification_id=notification_id, route_id=route_id, requeued=None)
    buried: dict[str, list[DeadLetterRecord]] = {}
    for letter in reversed(list_dead_letters(database, matching, before=None, limit=_DEAD_LETTERS)):
        buried.setdefault(letter.route_id, []).append(letter)
    told = []
    for route in routes:
        stream = channels[route.channel].stream if route.channel in channels else None
        explanation = explain(route, gates.get(route.channel, Gate(route.channel)), stream)
        letters = buried.get(route.route_id, [])
        told.append(Story(route, stream, explanation, failures.get(route.id, []), letters))
    return told


def _without(record: RouteRecord | FailureRecord | DeadLetterRecord, *names: str) -> dict[str, object]:
    return {name: value for name, value in asdict(record).items() if name not in names}
