"""The loss audit's reads, and its one transition (R12a)."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.attempt import Published
from storage.audits import PublishedRoute, published_after, return_lost
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.outcomes.outcomes import complete
from storage.places import Place
from tests.integration.rows import FINAL, REOPENED, all_routes, bury_something, change, due_routes, one_route

WINDOW = timedelta(minutes=10)


def published_routes(database: Database, count: int) -> list[int]:
    """The keys of this many published routes, the first of them published first, in the last minute."""
    due_routes(database, count)
    claimed = claim_due(database, "email", limit=count, lease_ttl=timedelta(seconds=30))
    complete(database, claimed.token, [Published(c.route, f"{c.route.id}-0") for c in claimed.routes])
    for place, id_ in enumerate(claimed.ids):
        change(database, [id_], f"published_at = now() - interval '1 minute' + {place} * interval '1 second'")
    return claimed.ids


BEGINNING = Place(datetime(2000, 1, 1, tzinfo=UTC), 0)


def within(
    database: Database, *, after: Place[int] = BEGINNING, limit: int = 100, channel: str = "email"
) -> list[PublishedRoute]:
    return published_after(database, channel, after, window=WINDOW, limit=limit)


def place(route: PublishedRoute) -> Place[int]:
    return Place(route.published_at, route.id)


def test_a_published_route_is_looked_at_with_its_entry(database: Database) -> None:
    """The audit sees a published route under its delivery id, with the entry that should stand (R12a)."""
    [id_] = published_routes(database, 1)
    row = one_route(database, id_)

    assert within(database) == [
        PublishedRoute(
            id_, f"{row['notification_id']}/email:user:0", 0, f"{id_}-0", row["published_at"], None, is_witnessed=True
        )
    ]


def test_a_route_is_looked_for_where_it_was_published(database: Database) -> None:
    """The audit sees the stream that a route was published to, whatever the channel's is called now (R12a)."""
    [id_] = published_routes(database, 1)
    change(database, [id_], "stream = 'mail:old'")

    assert [route.stream for route in within(database)] == ["mail:old"]


def test_a_witness_is_looked_for_as_long_as_it_is_sure_to_live(database: Database) -> None:
    """A route is looked for until its own witness may end, neither longer nor shorter than that (R12a)."""
    alive, over, unknown, old_and_unknown, old_and_alive = published_routes(database, 5)
    change(database, [alive], "witness_until = now() + interval '1 minute'")
    change(database, [over], "witness_until = now() - interval '1 second'")
    change(database, [old_and_unknown], "published_at = now() - interval '10 minutes 1 second'")
    change(
        database,
        [old_and_alive],
        "published_at = now() - interval '50 minutes', witness_until = now() + interval '1 minute'",
    )

    looked_for = {route.id for route in within(database) if route.is_witnessed}

    assert looked_for == {alive, unknown, old_and_alive}
    assert return_lost(database, within(database), window=WINDOW) == looked_for


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

    pages, after = [], BEGINNING
    while page := within(database, after=after, limit=2):
        pages.append([route.id for route in page])
        after = place(page[-1])

    assert pages == [ids[0:2], ids[2:4], ids[4:6], ids[6:7]]


def test_a_walk_outlives_what_it_changes(database: Database) -> None:
    """Returning the routes of a page, the last one too, skips none of the next (R12a)."""
    ids = published_routes(database, 4)
    page = within(database, limit=2)

    return_lost(database, page, window=WINDOW)

    assert [route.id for route in within(database, after=place(page[-1]))] == ids[2:]


def test_a_lost_route_is_pending_again(database: Database) -> None:
    """A route whose command was lost is due at once, with all its attempts, under the same delivery id (R12a).

    An answer that it had goes: whoever reads the next command answers it (R32).
    """
    [id_] = published_routes(database, 1)
    change(database, [id_], "attempt_count = 4, last_failure_classification = 'x', updated_at = now() - interval '1 h'")
    change(database, [id_], "answer = 'failed', answered_at = now()")
    before = one_route(database, id_)

    returned = return_lost(database, within(database), window=WINDOW)

    after = one_route(database, id_)
    assert returned == {id_}
    assert after == before | {
        "status": "pending",
        "attempt_count": 0,
        "published_at": None,
        "stream_entry_id": None,
        "stream": None,
        "witness_until": None,
        "answer": None,
        "answered_at": None,
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
    return_lost(database, [route for route in seen if route.id == open_], window=WINDOW)
    before = [row for row in all_routes(database) if row["id"] in (again, open_)]

    returned = return_lost(database, seen, window=WINDOW)

    assert returned == {unrecorded, lost}
    assert [row for row in all_routes(database) if row["id"] in (again, open_)] == before


def test_an_entry_that_was_never_recorded_is_told_from_one_that_was(database: Database) -> None:
    """The guard tells no entry from some entry, either way round (R12a)."""
    without, _ = published_routes(database, 2)
    seen = within(database)
    change(database, [without], "stream_entry_id = NULL")

    assert return_lost(database, [seen[0], seen[1]._replace(stream_entry_id=None)], window=WINDOW) == set()


def test_returning_nothing_returns_nothing(database: Database) -> None:
    """With nothing lost, every route stays published."""
    [id_] = published_routes(database, 1)

    assert return_lost(database, [], window=WINDOW) == set()

    assert one_route(database, id_)["status"] == "published"


def test_an_entry_id_that_came_again_is_told_from_the_first(database: Database) -> None:
    """Entry ids come again once Redis was emptied: a route published again under the same one is left alone (R8)."""
    [again] = published_routes(database, 1)
    seen = within(database)
    change(database, [again], "published_at = published_at + interval '1 second'")

    assert return_lost(database, seen, window=WINDOW) == set()
