"""Makes the demo's sample intents, with the status each route must end in, and checks that it did.

What is sent is made by pure functions; `Observer` then looks from outside, at PostgreSQL and at the streams.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel
from publisher.domain.errors import BadRequest
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.notification import RouteStatus, delivery_id_of
from publisher.domain.planning import PlannedRoute, plan_routes
from publisher.domain.rejection import Rejection
from publisher.domain.stream_address import read_address
from publisher.streams.servers.connection import translated
from publisher.streams.servers.stream_servers import StreamServers
from storage.answers import answers_among
from storage.counts import overview
from storage.counts.overview import RouteEnd
from storage.database import Database

CHANNELS = (EMAIL.name, PUSH.name)
# Settings of the demo's processes unless the environment has its own: a bad address is given up within seconds, and
# nobody reads the push stream, so that no ceiling may hold back what a large demo sends.
ENVIRON = {
    "PUBLISHER_EMAIL_MAX_ATTEMPTS": "3",
    "PUBLISHER_EMAIL_STREAM_CEILING": "0",
    "PUBLISHER_PUSH_STREAM_CEILING": "0",
    "PUBLISHER_ROUTE_BACKOFF_MIN": "0.2",
    "PUBLISHER_ROUTE_BACKOFF_MAX": "1",
    "PUBLISHER_SCAN_INTERVAL": "1",
    "PUBLISHER_MAIL_BACKOFF_MIN": "1",
    "PUBLISHER_LOG_FORMAT": "json",
}
_BAD_ADDRESS = "nobody-at-example.com"
_DELIVERY_FIELDS = (b"delivery_id", b"event_id")


@dataclass(frozen=True)
class Sample:
    """Entries to send, in order, and what must come of them.

    expected: delivery id -> final status.
    emails: the delivery ids among them of emails that are published, in the order of the entries.
    """

    entries: Sequence[Mapping[str, str]]
    malformed: Sequence[int]
    conflicts: Sequence[int]
    duplicates: int
    notification_ids: Sequence[str]
    expected: Mapping[str, RouteStatus]
    emails: Sequence[str]

    @property
    def published(self) -> int:
        """How many commands must stand on the streams in the end."""
        return sum(status is RouteStatus.PUBLISHED for status in self.expected.values())

    @property
    def on_purpose(self) -> str:
        """Says what was sent so that it is not published."""
        ends = Counter(self.expected.values())
        return (
            f"{len(self.entries):,} intents were sent, some of them broken on purpose:"
            f" {len(self.malformed):,} malformed,"
            f" {len(self.conflicts):,} conflicts (the key of another, with other content),"
            f" {self.duplicates:,} duplicates,"
            f" {ends[RouteStatus.DEAD_LETTER]:,} to a bad email address (dead_letter),"
            f" {ends[RouteStatus.SKIPPED]:,} to none (skipped)."
        )


def make_sample(count: int, run: str, now_ms: int, channels: Mapping[str, Channel], roll: random.Random) -> Sample:
    """`count` intents of one run: for users and for addresses, one in fifty to a bad address.

    Besides, of every hundred two are sent twice, one is sent again with other content, and one is broken. run: a
    name that makes the ids of this run its own. Channels other than email and push are left alone.
    """
    valid = [_intent(n, run, now_ms) for n in range(count)]

    def chosen(percent: int) -> list[dict[str, str]]:
        return roll.sample(valid, max(1, count * percent // 100))

    duplicates = [("duplicate", fields) for fields in chosen(2)]
    conflicts = [("conflict", fields | {"payload_json": '{"other": "content"}'}) for fields in chosen(1)]
    # A key of its own: it repeats nothing.
    broken = [("broken", fields | {"payload_json": "{", "idempotency_key": f"{run}-broken"}) for fields in chosen(1)]
    # Repetitions come after what they repeat, in any order among themselves.
    extra = [*duplicates, *conflicts, *broken]
    roll.shuffle(extra)
    entries = [*(("valid", fields) for fields in valid), *extra]
    intents = [_parsed(fields, channels) for fields in valid]
    routes = {
        delivery_id_of(intent.notification_id, route.route_id): route
        for intent in intents
        for route in _planned(intent, channels)
    }
    expected = {delivery_id: _end_of(route) for delivery_id, route in routes.items()}
    return Sample(
        entries=[fields for _, fields in entries],
        malformed=[n for n, (kind, _) in enumerate(entries) if kind == "broken"],
        conflicts=[n for n, (kind, _) in enumerate(entries) if kind == "conflict"],
        duplicates=len(duplicates),
        notification_ids=[intent.notification_id for intent in intents],
        expected=expected,
        emails=[
            delivery_id
            for delivery_id, route in routes.items()
            if route.channel == EMAIL.name and expected[delivery_id] is RouteStatus.PUBLISHED
        ],
    )


def _end_of(route: PlannedRoute) -> RouteStatus:
    """The status that the route must end in."""
    if route.status is RouteStatus.SKIPPED:
        return RouteStatus.SKIPPED
    is_bad = route.channel == EMAIL.name and route.resolved_email == _BAD_ADDRESS
    return RouteStatus.DEAD_LETTER if is_bad else RouteStatus.PUBLISHED


def _planned(intent: Intent, channels: Mapping[str, Channel]) -> list[PlannedRoute]:
    routes = plan_routes(intent, channels)
    if isinstance(routes, Rejection):
        raise BadRequest(f"a channel of this installation accepts no sample: {routes.message}")
    return routes


def _intent(number: int, run: str, now_ms: int) -> dict[str, str]:
    fields: dict[str, object] = {
        "producer": f"demo-{run}",
        "idempotency_key": f"{run}-{number}",
        "occurred_at_ms": str(now_ms),
        "request_id": f"{run}-request-{number}",
    }
    if number % 10 == 9:
        fields |= {
            "notification_type": "demo.report.weekly",
            "audience_kind": "admin_email",
            "recipients_json": [{"email": f"admin-{number}@example.com", "locale": "de"}],
            "payload_json": {"week": 11, "games": [{"name": "chess", "turns": number + 1, "waiting": True}]},
        }
    else:
        # One user in five has no address: the email route is skipped. One in fifty has a bad one.
        email = _BAD_ADDRESS if number % 50 == 3 else None if number % 5 == 1 else f"user-{number}@example.com"
        fields |= {
            "notification_type": "demo.turn.ready",
            "audience_kind": "user",
            "recipients_json": [{"user_id": f"{run}-user-{number}", "email": email}],
            "channels_json": CHANNELS,
            "payload_json": {"game": "chess", "turn": number + 1},
        }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _parsed(fields: Mapping[str, str], channels: Mapping[str, Channel]) -> Intent:
    intent = parse_intent([(name.encode(), value.encode()) for name, value in fields.items()], channels)
    if isinstance(intent, Rejection):
        raise AssertionError(f"the demo made a malformed intent: {intent.message}")
    return intent


@dataclass
class Observer:
    """Looks from outside: reads the outbound streams as their consumers would, and counts."""

    servers: StreamServers
    database: Database
    addresses: Sequence[str]
    seen: Counter[str] = field(default_factory=Counter)
    sample_commands: dict[str, dict[str, str]] = field(default_factory=dict)
    _positions: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Notes where the streams end now: what stands there before is not this demo's."""
        for address in self.addresses:
            with translated():
                last: Any = self.servers.of(address).xrevrange(read_address(address).stream, count=1)
            self._positions[address] = last[0][0].decode() if last else "0-0"

    def read(self, block: timedelta) -> None:
        """Counts the commands that have come since, waiting up to `block` for some on each stream."""
        wait = max(1, round(block.total_seconds() * 1000 / len(self.addresses)))
        for address in self.addresses:
            stream = read_address(address).stream
            with translated():
                reply: Any = self.servers.of(address).xread({stream: self._positions[address]}, count=5000, block=wait)
            for entry_id, fields in reply[0][1] if reply else ():
                delivery_id = next((fields[name].decode() for name in _DELIVERY_FIELDS if name in fields), "")
                self.seen[delivery_id] += 1
                self.sample_commands.setdefault(
                    stream, {name.decode(): value.decode() for name, value in fields.items()}
                )
                self._positions[address] = entry_id.decode()

    def final(self, sample: Sample) -> int:
        """How many of the sample's routes have ended, one way or another."""
        counts = overview.count_routes(self.database, sample.notification_ids)
        return sum(count for (_, status), count in counts.items() if status.is_final)

    def rejected(self, streams: Sequence[str], entry_ids: Sequence[str]) -> int:
        """How many of these entries of the stream, or of its partitions, were recorded as malformed."""
        return sum(overview.count_malformed_among(self.database, stream, entry_ids) for stream in streams)

    def mailed(self, sample: Sample) -> int:
        """How many of the sample's emails the mail service has answered for good."""
        return answers_among.count_settled(self.database, sample.notification_ids, EMAIL.name)

    def refusal(self, sample: Sample) -> str | None:
        """In which words an email of the sample was refused for now, the last time; None: none was."""
        return answers_among.last_refusal(self.database, sample.notification_ids, EMAIL.name)

    def ends(self, sample: Sample) -> list[RouteEnd]:
        """Where every route of the sample stands."""
        return overview.route_ends(self.database, sample.notification_ids)


def problems(sample: Sample, ends: Sequence[RouteEnd], seen: Mapping[str, int], rejected: int) -> list[str]:
    """Everything that is not as it must be; nothing if every route was published exactly once or ended as it had to.

    rejected: how many of the malformed and conflicting entries were recorded as such.
    """
    found = []
    actual = {end.delivery_id: end.status for end in ends}
    for delivery_id, status in sample.expected.items():
        count = seen.get(delivery_id, 0)
        if actual.get(delivery_id) is not status:
            found.append(f"{delivery_id} is {actual.get(delivery_id, 'missing')}, not {status}")
        if count != (status is RouteStatus.PUBLISHED):
            found.append(f"{delivery_id} stands on its stream {count} times")
    unexpected = actual.keys() - sample.expected.keys()
    found += [f"{delivery_id} was never asked for" for delivery_id in sorted(unexpected)]
    expected_rejections = len(sample.malformed) + len(sample.conflicts)
    if rejected != expected_rejections:
        found.append(f"{rejected} of {expected_rejections} malformed and conflicting intents were recorded")
    return found
