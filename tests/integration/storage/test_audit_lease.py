"""One audit of a channel at a time, across processes, and only when one is due (R12a, R15)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from storage.audits import AuditLease, complete_audit, give_up_audit, renew_audit, take_audit
from storage.database import Database
from tests.integration.rows import execute, rows

WINDOW = timedelta(minutes=10)
TTL = timedelta(seconds=30)


def take(database: Database, channel: str = "email", **given: Any) -> AuditLease | None:
    options: dict[str, Any] = {"identity": "redis-1", "interval": WINDOW / 2, "window": WINDOW, "lease_ttl": TTL}
    return take_audit(database, channel, **options | {"dedup_window": timedelta(hours=1)} | given)


def taken(database: Database, **given: Any) -> AuditLease:
    lease = take(database, **given)
    assert lease is not None
    return lease


def age(database: Database, column: str, by: str) -> None:
    execute(database, f"UPDATE stream_audits SET {column} = {column} - interval '{by}'")


def state(database: Database) -> dict[str, Any]:
    [row] = rows(database, "SELECT * FROM stream_audits")
    return row


def test_of_all_who_ask_one_audits(database: Database) -> None:
    """Of many processes that find an audit due at one moment one has it; the others get an immediate no (R15)."""
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: take(database), range(24)))

    assert sum(lease is not None for lease in leases) == 1


def test_channels_are_leased_apart(database: Database) -> None:
    """An audit of one channel keeps nobody from another's (R16)."""
    assert take(database)
    assert take(database, channel="push")


def test_nobody_audits_while_another_is_at_it(database: Database) -> None:
    """Not even where Redis was found changed meanwhile: whoever is at it ends first (R15)."""
    taken(database)

    assert take(database) is None
    assert take(database, identity="redis-2") is None


def test_a_killed_auditors_lease_runs_out(database: Database) -> None:
    """An audit whose process died is taken over, and looks at the same again (R15)."""
    first = taken(database)
    age(database, "auditor_until", "31 seconds")

    second = taken(database)

    assert second.token != first.token
    assert not renew_audit(database, first, TTL)
    assert not complete_audit(database, first, "redis-1")
    assert renew_audit(database, second, TTL)
    assert state(database)["covered_to"] is None


def test_a_renewed_lease_is_not_taken_over(database: Database) -> None:
    """A walk that takes long holds its lease as long as it renews it (R15)."""
    lease = taken(database)
    age(database, "auditor_until", "31 seconds")

    assert renew_audit(database, lease, TTL)

    assert take(database) is None


def test_a_lease_that_ran_out_and_nobody_took_is_still_held(database: Database) -> None:
    """A walk that was paused, and that nobody took over, goes on."""
    lease = taken(database)
    age(database, "auditor_until", "1 hour")

    assert complete_audit(database, lease, "redis-1")


def test_an_audit_given_up_is_free_at_once(database: Database) -> None:
    """An audit that failed is begun again by whoever asks next; nothing counts as looked at (R12a)."""
    give_up_audit(database, taken(database))

    assert take(database) is not None
    assert state(database)["covered_to"] is None


def test_giving_up_what_another_holds_changes_nothing(database: Database) -> None:
    """A process that lost its audit frees nobody else's (R8)."""
    late = taken(database)
    age(database, "auditor_until", "31 seconds")
    taken(database)

    give_up_audit(database, late)

    assert take(database) is None


def test_a_completed_audit_covers_what_was_published_before_it_began(database: Database) -> None:
    """What counts as looked at ends where the walk began, not where it ended (R12a)."""
    lease = taken(database)
    began = lease.began
    execute(database, "SELECT pg_sleep(0.05)")

    assert complete_audit(database, lease, "redis-1")

    after = state(database)
    assert (after["covered_to"], after["identity"], after["auditor"], after["auditor_until"]) == (
        (began, "redis-1", None, None)
    )
    assert after["audited_at"] > began


@pytest.mark.parametrize(("ago", "due"), [("4 minutes 50 seconds", False), ("5 minutes 1 second", True)])
def test_an_audit_is_due_half_a_window_after_the_last(database: Database, ago: str, due: bool) -> None:
    """While Redis stays the same, an audit is due half a window after the last one's end, and not before."""
    complete_audit(database, taken(database), "redis-1")
    age(database, "audited_at", ago)

    assert (take(database) is not None) is due


def test_a_changed_redis_is_audited_at_once(database: Database) -> None:
    """Another Redis than the last audit saw makes one due at once, and is told from a first audit (R12a)."""
    first = taken(database)
    complete_audit(database, first, "redis-1")

    assert take(database) is None
    assert taken(database, identity="redis-2").is_redis_changed
    assert not first.is_redis_changed


@pytest.mark.parametrize(
    ("covered_to", "start"),
    [
        pytest.param("1 minute", "11 minutes", id="as usual"),
        pytest.param("40 minutes", "50 minutes", id="late: Redis away, or no worker"),
        pytest.param("5 days", "1 hour", id="as far back as witnesses reach"),
    ],
)
def test_a_walk_begins_a_window_before_the_last_audit(database: Database, covered_to: str, start: str) -> None:
    """However long ago the last audit was, what was published since is looked at, and a window before that (R12a)."""
    complete_audit(database, taken(database), "redis-1")
    age(database, "audited_at", "1 hour")
    age(database, "covered_to", covered_to)

    lease = taken(database)

    [row] = rows(database, "SELECT abs(extract(epoch FROM %s - (now() - %s::interval))) AS off", lease.start.at, start)
    assert row["off"] < 30


def test_a_first_audit_looks_as_far_back_as_witnesses_reach(database: Database) -> None:
    """A channel that was never audited is looked at over the whole dedup window (R12a)."""
    lease = taken(database)

    [row] = rows(database, "SELECT now() - %s BETWEEN '59 minutes' AND '61 minutes' AS all", lease.start.at)
    assert row["all"]


def test_the_release_before_audits_beside_this_one(database: Database) -> None:
    """Its audits count: half a window after one of them the next is due, from there on (R15)."""
    execute(
        database,
        "INSERT INTO stream_audits (channel, redis_identity, audited_at) VALUES ('email', 'old', now() - interval"
        " '2 minutes')",
    )
    lease = taken(database)
    assert not lease.is_redis_changed
    complete_audit(database, lease, "redis-1")

    execute(database, "UPDATE stream_audits SET redis_identity = 'old', audited_at = now()")

    assert take(database) is None
    assert state(database)["redis_identity"] == "old"
