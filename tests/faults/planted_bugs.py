"""Bugs planted in the service by a patch, each with the detector that must find it.

None shows in a run without faults.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import peewee
import pytest

from publisher.domain.attempt import Published
from publisher.domain.lanes import Lane
from publisher.domain.shares import DueGroup, Shares
from publisher.intake.consumer import Intake
from publisher.intake.marking import Marking
from publisher.publishing import sharing
from publisher.publishing.publisher import Publisher
from publisher.streams import outbound, rate_limits
from publisher.streams.consumer_group import Recovered
from publisher.streams.intents import IntentsGroup
from publisher.streams.outbound import OutboundStreams
from storage.accepting import intents
from storage.cancelling import cancel_mark, cancellations
from storage.claiming import claims, leases
from storage.claiming.handover import IS_CLAIMED
from storage.database import Row, fetch
from storage.holds import not_held
from storage.malformed import recording as malformed_records
from storage.outcomes import outcomes
from tests.faults import detectors, overtaken_workers
from tests.faults.detectors import Detector

_HELD = "AND lease_token = %(token)s"
_COMPLETIONS = ("_PUBLISHED", "_RESCHEDULED", "_DEAD_LETTERED")
# What a completion compares with what was read, beside the token.
_GUARDS = {
    ("_PUBLISHED",): (
        f"AND status = (%(statuses)s::text[])[{outcomes._PLACE}]",
        f"AND attempt_count = (%(attempts)s::int[])[{outcomes._PLACE}]",
    ),
    ("_RESCHEDULED", "_DEAD_LETTERED"): (
        f"AND status = {outcomes.MINE} ->> 'status'",
        f"AND attempt_count = ({outcomes.MINE} ->> 'attempt_count')::int",
    ),
}
_FREE = "(lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp())"


@dataclass(frozen=True)
class Bug:
    """One planted bug.

    plant: puts it into the service.
    detector: must find it.
    classic: whether every run of the suite plants it, and not only the long form.
    """

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    detector: Detector
    classic: bool = False


def _edit(patch: pytest.MonkeyPatch, module: ModuleType, names: Sequence[str], *edits: tuple[str, str]) -> None:
    for name in names:
        text = getattr(module, name)
        for old, new in edits:
            assert old in text, f"{old!r} does not stand in {name}: this bug is not planted any more"
            text = text.replace(old, new)
        patch.setattr(module, name, text)


def _no_witness(patch: pytest.MonkeyPatch) -> None:
    get, set_ = "redis.pcall('GET', KEYS[n])", "redis.pcall('SET', KEYS[n], added, 'PX', window)"
    _edit(patch, outbound, ["_SCRIPT"], (get, "false"), (set_, "{}"))


def _witness_first(patch: pytest.MonkeyPatch) -> None:
    add = "local ran, added = pcall(add,"
    _edit(patch, outbound, ["_SCRIPT"], (add, f"redis.pcall('SET', KEYS[n], '0-1', 'PX', window) {add}"))


def _bucket(old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        _edit(patch, outbound, ["_SCRIPT"], (old, new))
        _edit(patch, rate_limits, ["_HOPE"], (old, new))

    return plant


def _acknowledged_first(patch: pytest.MonkeyPatch) -> None:
    whole = Intake._accept

    def accept(self: Intake, entries: Sequence[Any], acknowledge: Any) -> None:
        self._group.acknowledge([entry.entry_id for entry in entries])
        whole(self, entries, acknowledge)

    patch.setattr(Intake, "_accept", accept)


def _published_first(patch: pytest.MonkeyPatch) -> None:
    whole = Publisher._append

    def append(self: Publisher, batch: Any, deliveries: Any) -> None:
        published = [Published(route, "0-1") for route, _ in deliveries]
        outcomes.complete(self._database, batch.claim.token, published)
        whole(self, batch, deliveries)
        for outcome in (outcome for outcome in batch.outcomes if isinstance(outcome, Published)):
            values = [outcome.entry_id, outcome.route.id]
            self._database.rows("UPDATE routes SET stream_entry_id = %s WHERE id = %s RETURNING id", values)

    patch.setattr(Publisher, "_append", append)


def _nothing_recovered(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(IntentsGroup, name, lambda *_: Recovered((), (), more=False))


def _worker_clock(patch: pytest.MonkeyPatch) -> None:
    whole = claims._claim

    def claim(database: Any, sql: str, parameters: dict[str, object], *others: Any) -> Any:
        now = datetime.fromtimestamp(time.time(), UTC)
        return whole(database, sql, parameters | {"worker_now": now}, *others)

    _edit(
        patch, claims, ["_CLAIM_DUE", "_CLAIM_THESE"], (_FREE, _FREE.replace("statement_timestamp()", "%(worker_now)s"))
    )
    patch.setattr(claims, "_claim", claim)


def _claims_that(free: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: _edit(patch, claims, ["_CLAIM_DUE", "_CLAIM_THESE"], (_FREE, free))


def _no_transaction(patch: pytest.MonkeyPatch) -> None:
    def one_by_one(connection: peewee.PostgresqlDatabase, sql: str, parameters: dict[str, object]) -> list[Row]:
        notifications, routes = sql.split(";")
        of_the_session = notifications.replace("::text, true)", "::text, false)")
        assert of_the_session != notifications
        connection.execute_sql(of_the_session, parameters)
        return fetch(connection, routes, parameters)

    patch.setattr(intents, "fetch", one_by_one)


def _no_guard(patch: pytest.MonkeyPatch) -> None:
    for names, as_read in _GUARDS.items():
        _edit(patch, outcomes, names, *[(guard, "") for guard in (_HELD, *as_read)])


def _urgent_first(patch: pytest.MonkeyPatch) -> None:
    whole = sharing.share_out

    def share(tokens: int, groups: Sequence[DueGroup], *options: Any) -> Shares:
        first = min((list(Lane).index(each.group.lane) for each in groups if each.due), default=0)
        return whole(tokens, [each for each in groups if list(Lane).index(each.group.lane) == first], *options)

    patch.setattr(sharing, "share_out", share)


def _cancelled_in_parts(patch: pytest.MonkeyPatch) -> None:
    whole = cancellations._cancelled

    def committed_before(connection: peewee.PostgresqlDatabase, ids: list[str]) -> Any:
        connection.execute_sql("COMMIT; BEGIN")
        return whole(connection, ids)

    patch.setattr(cancellations, "_cancelled", committed_before)


def _cancelled_at_once(patch: pytest.MonkeyPatch) -> None:
    columns = ("lease_token", "lease_expires_at")
    given_up = ", ".join(f"{column} = CASE WHEN NOT {_FREE} THEN {column} END" for column in columns)
    asked = "cancel_requested_at = "
    _edit(patch, cancellations, ["_MARK"], (cancel_mark._UNTOUCHED, _FREE), (asked, f"{given_up}, {asked}"))


BUGS: Sequence[Bug] = (
    Bug("no witness", _no_witness, detectors.lost_replies, classic=True),
    Bug("witness set before XADD", _witness_first, detectors.refused_once, classic=True),
    Bug("acknowledged before the commit", _acknowledged_first, detectors.crash_points, classic=True),
    Bug("marked as published before the append", _published_first, detectors.crash_points, classic=True),
    Bug("own pending list not drained", _nothing_recovered("recover_own"), detectors.lost_replies, classic=True),
    Bug(
        "entries of dead consumers not taken over",
        _nothing_recovered("recover_others"),
        detectors.crash_points,
        classic=True,
    ),
    Bug(
        "completion without the token",
        lambda patch: _edit(patch, outcomes, _COMPLETIONS, (_HELD, "")),
        overtaken_workers.stale_worker,
        classic=True,
    ),
    Bug("completion without any guard", _no_guard, detectors.lost_replies),
    Bug(
        "release without the token",
        lambda patch: _edit(patch, leases, ["_RELEASE"], (_HELD, "")),
        overtaken_workers.stale_worker,
    ),
    Bug(
        "bucket of a rate limit that begins full",
        _bucket("tonumber(stored[1]) or 0", "tonumber(stored[1]) or burst"),
        detectors.lost_bucket,
        classic=True,
    ),
    Bug(
        "tokens for a clock that goes back",
        _bucket("math.max(0, now - at)", "math.abs(now - at)"),
        detectors.lost_bucket,
    ),
    Bug(
        "hold that claims of named routes ignore",
        lambda patch: _edit(patch, claims, ["_CLAIM_THESE"], (not_held(), "true")),
        detectors.held_routes,
        classic=True,
    ),
    Bug("lane that gets what others leave", _urgent_first, detectors.crowded_lanes, classic=True),
    Bug("leases compared with the worker's clock", _worker_clock, overtaken_workers.held_lease, classic=True),
    Bug("claim that looks at no lease", _claims_that("true"), overtaken_workers.held_lease),
    Bug(
        "expired leases stay taken",
        # Those of claims: handovers run out without any fault.
        _claims_that(f"(lease_expires_at IS NULL OR {_FREE} AND NOT ({IS_CLAIMED}))"),
        detectors.crash_points,
    ),
    Bug("notification and routes in no transaction", _no_transaction, detectors.crash_points),
    Bug(
        "malformed intent recorded once per reading",
        lambda patch: _edit(
            patch, malformed_records, ["_INSERT_MALFORMED"], ("ON CONFLICT (stream, stream_entry_id) DO NOTHING", "")
        ),
        detectors.crash_points,
    ),
    Bug(
        "loss audit that misses nothing",
        lambda patch: patch.setattr(OutboundStreams, "witnesses", lambda _streams, asked: ["1-0"] * len(asked)),
        detectors.lost_data,
    ),
    Bug(
        "route that ends without a tombstone",
        lambda patch: patch.setattr(
            OutboundStreams, "end", lambda _streams, deliveries, _tombstones: [None] * len(deliveries)
        ),
        overtaken_workers.late_append,
    ),
    Bug("cancellation and its routes in no transaction", _cancelled_in_parts, detectors.crash_points),
    Bug(
        "attempted route cancelled without a tombstone",
        _cancelled_at_once,
        overtaken_workers.late_cancellation,
    ),
    Bug(
        "intents not replayed to a PostgreSQL that went back",
        lambda patch: patch.setattr(Marking, "_take_up", lambda *_: None),
        detectors.reverted_postgresql,
    ),
)
