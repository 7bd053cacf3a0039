"""A small fixed set of delivery events, taken in by this process step after step, the same each time."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import redis

from publisher.bootstrap import compose_events_intake
from publisher.connections import open_client
from publisher.intake import events as intake
from publisher.intake.events import EventsOptions
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.servers.stream_servers import StreamServers
from tests.factories import EVENTS, GROUP, event_fields
from tests.faults.composition import EMPTY
from tests.faults.crash_points import Crash, Point
from tests.faults.workload import Workload

_BATCH = 3
_LOOKS = 60
_LEASE = timedelta(seconds=30)
_NOTIFICATION = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"
_USERS = ("7", "8")
_FIRST, _SECOND = (f"{_NOTIFICATION}/email:user:{user}" for user in _USERS)
_ROUTES = f"""
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key, payload,
                           occurred_at, request_fingerprint, accepted_at)
VALUES ('{_NOTIFICATION}', 't', 'p', 'user', 'k', '{{}}', now(), '', now());
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, published_at, created_at,
                    updated_at)
SELECT n.id, 'email:user:' || u, 'email', 'published', 16, 'user:' || u, now(), now(), now()
FROM notifications AS n, unnest(%s) AS u
"""
# A repetition, an answer that outranks an earlier one, one that comes late, an unknown delivery, and one that is none.
ENTRIES: Sequence[Mapping[str, str | None]] = (
    {"event_id": "1", "delivery_id": _FIRST},
    {"event_id": "2", "delivery_id": _SECOND, "event": "deferred"},
    {"event_id": "1", "delivery_id": _FIRST},
    {"event_id": "3", "delivery_id": f"{_NOTIFICATION}/email:user:9"},
    {"event_id": "4", "delivery_id": _SECOND, "event": "bounced"},
    {"event_id": "5", "delivery_id": _SECOND, "event": "delivered"},
    {"event_id": "6", "delivery_id": _FIRST, "event": "opened"},
)
_RECORDED = [("1", "accepted"), ("2", "deferred"), ("4", "bounced"), ("5", "delivered")]


class EventsWorkload:
    """The delivery events on two servers, what must come of them, and how to take them in with faults."""

    def __init__(self, on: Workload) -> None:
        """on: the servers, and the process whose life can be repeated."""
        self.on = on
        self.malformed: list[tuple[str, str]] = []

    def after(self, *points: Point) -> list[str]:
        """The violations after these points, each in a life of its own, and one more life if all were deadly."""
        self._reset()
        for point in points:
            if self._run_once(point):
                return self._violations()
            with suppress(redis.ResponseError):
                for pending in self.on.redis.xpending_range(EVENTS, GROUP, "-", "+", 100):
                    ids = [pending["message_id"]]
                    self.on.redis.xclaim(EVENTS, GROUP, pending["consumer"], 0, ids, idle=3_600_000, justid=True)
        self._run_once()
        return self._violations()

    def is_taken_in(self) -> bool:
        """True if every entry was read, and acknowledged."""
        groups = self.on.redis.xinfo_groups(EVENTS)
        return bool(groups) and groups[0]["lag"] == 0 and groups[0]["pending"] == 0

    def _reset(self) -> None:
        self.on.sql.execute(EMPTY)
        self.on.redis.flushdb()
        self.on.redis.script_flush()
        self.on.sql.execute(_ROUTES, [list(_USERS)])
        ids = [self.on.redis.xadd(EVENTS, dict(event_fields(**fields))).decode() for fields in ENTRIES]
        self.malformed = [(ids[3], "unknown_delivery"), (ids[6], "invalid_field")]

    def _run_once(self, point: Point | None = None) -> bool:
        """One life of a process that takes every event in. False if it died at the point."""
        self.on.io.begin(point)
        try:
            with (
                self.on.process() as context,
                open_client(self.on.settings, "intake-events", timedelta(seconds=3)) as client,
                pytest.MonkeyPatch.context() as patch,
            ):
                # Nobody waits for entries that will not come.
                patch.setattr(intake, "_BLOCK", timedelta(milliseconds=1))
                group = ConsumerGroup(StreamServers(client), EVENTS, GROUP, secrets.token_hex(4))
                until_read = replace(context, stopping=_WhenRead(self))
                compose_events_intake(until_read, group, EventsOptions(EVENTS, _BATCH, _LEASE)).run()
        except Crash:
            self.on.wait_until_disconnected()
            return False
        return True

    def _violations(self) -> list[str]:
        """Whatever is not as it must be at the end."""
        found = {
            "recorded": self._rows("SELECT event_id, event FROM delivery_events ORDER BY event_id"),
            "answers": self._rows("SELECT answer FROM routes ORDER BY route_id"),
            "malformed": self._rows("SELECT stream_entry_id, failure_code FROM malformed_intents ORDER BY id"),
            "taken in": self.is_taken_in(),
        }
        right = {
            "recorded": _RECORDED,
            "answers": [("accepted",), ("bounced",)],
            "malformed": self.malformed,
            "taken in": True,
        }
        return [f"{name}: {found[name]}" for name in right if found[name] != right[name]]

    def _rows(self, sql: str) -> list[Any]:
        self.on.sql.execute(sql)
        return list(self.on.sql.fetchall())


class _WhenRead(Event):
    """Set once every entry is taken in, or when that seems never to happen. Nobody waits."""

    def __init__(self, workload: EventsWorkload) -> None:
        super().__init__()
        self._workload, self._looks = workload, 0

    def is_set(self) -> bool:
        self._looks += 1
        return self._looks > _LOOKS or self._workload.is_taken_in()

    def wait(self, _timeout: float | None = None) -> bool:
        return self.is_set()
