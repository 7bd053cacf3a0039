"""The loss audit's reads, and its one transition (R12a)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.attempt import Published
from storage.audits import PublishedRoute, last_audit, published_within, record_audit, return_lost
from storage.claims import claim_due
from storage.database import Database
from storage.outcomes import complete_published
from tests.integration.rows import FINAL, REOPENED, all_routes, bury_something, change, due_routes, execute, one_route

WINDOW = timedelta(minutes=10)


def published_routes(database: Database, count: int) -> list[int]:
    """The keys of this many published routes, the first of them published first, in the last minute."""
    due_routes(database, count)
    claimed = claim_due(database, "email", limit=count, lease_ttl=timedelta(seconds=30))
    complete_published(database, claimed.token, [Published(c.route, f"{c.route.id}-0") for c in claimed.routes])
    for place, id_ in enumerate(claimed.ids):
        change(database, [id_], f"published_at = now() - interval '1 minute' + {place} * interval '1 second'")
    return claimed.ids


def within(
    database: Database, *, after: PublishedRoute | None = None, limit: int = 100, channel: str = "email"
) -> list[PublishedRoute]:
    return published_within(database, channel, WINDOW, after=after, limit=limit)


def test_a_channel_that_was_never_audited_says_so(database: Database) -> None:
    """Before a channel's first audit there is no last one."""
    record_audit(database, "push", "run-1")

    assert last_audit(database, "email") is None


def test_an_audit_is_remembered(database: Database) -> None:
    """The last audit says which Redis it saw, and how long ago on the database's clock (R5, R12a)."""
    record_audit(database, "email", "run-1")
    record_audit(database, "email", "run-2")
    execute(database, "UPDATE stream_audits SET audited_at = audited_at - interval '5 minutes'")

    last = last_audit(database, "email")

    assert last is not None
    assert last.redis_identity == "run-2"
    assert timedelta(minutes=5) <= last.age < timedelta(minutes=6)


def test_a_published_route_is_looked_at_with_its_entry(database: Database) -> None:
    """The audit sees a published route under its delivery id, with the entry that should stand (R12a)."""
    [id_] = published_routes(database, 1)
    row = one_route(database, id_)

    assert within(database) == [
        PublishedRoute(id_, f"{row['notification_id']}/email:user:0", 0, f"{id_}-0", row["published_at"])
    ]


def test_the_window_ends_in_the_past(database: Database) -> None:
    """Routes published before the window are left out, those just within it are in (R12a)."""
    outside, inside, recent = published_routes(database, 3)
    change(database, [outside], "published_at = now() - interval '10 minutes 1 second'")
    change(database, [inside], "published_at = now() - interval '9 minutes 30 seconds'")

    assert [route.id for route in within(database)] == [inside, recent]


@pytest.mark.parametrize(
    "state",
    [
        "channel = 'push'",
        REOPENED,
        f"{FINAL['dead_letter']}, published_at = NULL",
    ],
)
def test_only_published_routes_of_the_channel_are_looked_at(database: Database, state: str) -> None:
    """Open and given-up routes, and those of other channels, are no matter of this audit (R12a)."""
    bury_something(database)
    other, published = published_routes(database, 2)
    change(database, [other], state)

    assert [route.id for route in within(database)] == [published]


def test_the_walk_sees_each_route_once(database: Database) -> None:
    """Page by page, oldest first, every route of the window is seen once, also among those of one instant (R12a)."""
    ids = published_routes(database, 7)
    change(database, ids[1:6], "published_at = (SELECT published_at FROM routes ORDER BY id LIMIT 1)")

    pages, after = [], None
    while page := within(database, after=after, limit=2):
        pages.append([route.id for route in page])
        after = page[-1]

    assert pages == [ids[0:2], ids[2:4], ids[4:6], ids[6:7]]


def test_a_walk_outlives_what_it_changes(database: Database) -> None:
    """Returning the routes of a page, the last one too, skips none of the next (R12a)."""
    ids = published_routes(database, 4)
    page = within(database, limit=2)

    return_lost(database, page)

    assert [route.id for route in within(database, after=page[-1])] == ids[2:]


def test_a_lost_route_is_pending_again(database: Database) -> None:
    """A route whose command was lost is due at once, with all its attempts, under the same delivery id (R12a)."""
    [id_] = published_routes(database, 1)
    change(database, [id_], "attempt_count = 4, last_failure_classification = 'x', updated_at = now() - interval '1 h'")
    before = one_route(database, id_)

    returned = return_lost(database, within(database))

    after = one_route(database, id_)
    assert returned == {id_}
    assert after == before | {
        "status": "pending",
        "attempt_count": 0,
        "published_at": None,
        "stream_entry_id": None,
        "next_attempt_at": after["updated_at"],
        "updated_at": after["updated_at"],
    }
    assert after["updated_at"] > before["updated_at"]
    assert claim_due(database, "email", limit=1, lease_ttl=WINDOW).ids == [id_]


def test_a_route_published_again_meanwhile_is_left_alone(database: Database) -> None:
    """A route whose entry is another by now, or that is open again, is not returned; its neighbours are (R8, R12a)."""
    again, open_, unrecorded, lost = published_routes(database, 4)
    change(database, [unrecorded], "stream_entry_id = NULL")
    seen = within(database)
    change(database, [again], "stream_entry_id = '9-9'")
    return_lost(database, [route for route in seen if route.id == open_])
    before = [row for row in all_routes(database) if row["id"] in (again, open_)]

    returned = return_lost(database, seen)

    assert returned == {unrecorded, lost}
    assert [row for row in all_routes(database) if row["id"] in (again, open_)] == before


def test_an_entry_that_was_never_recorded_is_told_from_one_that_was(database: Database) -> None:
    """The guard tells no entry from some entry, either way round (R12a)."""
    without, _ = published_routes(database, 2)
    seen = within(database)
    change(database, [without], "stream_entry_id = NULL")

    assert return_lost(database, [seen[0], replace(seen[1], stream_entry_id=None)]) == set()


def test_returning_nothing_returns_nothing(database: Database) -> None:
    """With nothing lost, every route stays published."""
    [id_] = published_routes(database, 1)

    assert return_lost(database, []) == set()

    assert one_route(database, id_)["status"] == "published"
