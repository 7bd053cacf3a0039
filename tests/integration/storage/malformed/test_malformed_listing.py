"""Looking at malformed intents in PostgreSQL: filters, pages, ids (R19)."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.errors import NotFound
from publisher.domain.rejection import Rejection, RejectionCode
from storage.accepting.fingerprints import accepted_fingerprints
from storage.accepting.intents import IncomingMalformed, RawFields
from storage.actions import begin_action, find_action
from storage.database import Database
from storage.malformed.reading import (
    MalformedFilter,
    Sent,
    count_matching,
    find_malformed,
    list_malformed,
    malformed_pages,
    mark_resubmitted,
)
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.rows import execute, rows

EVERYTHING = MalformedFilter(resubmitted=None)
DAY = datetime(2026, 3, 14, tzinfo=UTC)


def record(
    database: Database,
    count: int,
    code: RejectionCode = RejectionCode.UNKNOWN_CHANNEL,
    raw: RawFields = ((b"producer", b"game"),),
    stream: str = INTENTS,
) -> list[int]:
    """Records so many malformed intents, a day apart from 14 March on, and returns their ids in order."""
    first = count_matching(database, EVERYTHING)[1] or 0
    entries = [IncomingMalformed(f"{first + n}-1", raw, Rejection(code, "why")) for n in range(1, count + 1)]
    accept(database, stream, [], entries)
    execute(database, "UPDATE malformed_intents SET recorded_at = %s + (id - 1) * interval '1 day'", DAY)
    return [row["id"] for row in rows(database, "SELECT id FROM malformed_intents WHERE id > %s ORDER BY id", first)]


def mark(database: Database, *ids: int, entry_id: str = "9-0", seen: str | None = None, by: str = "ann") -> set[int]:
    action = begin_action(database, "resubmit-malformed", by, {}, len(ids))
    return mark_resubmitted(database, [Sent(id_, entry_id, seen) for id_ in ids], by, action)


def listed(database: Database, matching: MalformedFilter, before: int | None = None, limit: int = 50) -> list[int]:
    return [facts.id for facts in list_malformed(database, matching, before=before, limit=limit)]


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        (MalformedFilter(), [6, 5, 4, 2, 1]),
        (MalformedFilter(resubmitted=True), [3]),
        (EVERYTHING, [6, 5, 4, 3, 2, 1]),
        (MalformedFilter("too_large"), [6, 5]),
        (MalformedFilter("no_such_code"), []),
        (MalformedFilter(since=DAY + timedelta(days=3)), [6, 5, 4]),
        (MalformedFilter(until=DAY + timedelta(days=3)), [2, 1]),
        (MalformedFilter(since=DAY + timedelta(days=1), until=DAY + timedelta(days=4), resubmitted=None), [4, 3, 2]),
        (MalformedFilter(stream="other"), [6]),
        (MalformedFilter("too_large", stream=INTENTS), [5]),
        (MalformedFilter(up_to=4), [4, 2, 1]),
    ],
)
def test_filters_narrow_together(database: Database, matching: MalformedFilter, expected: list[int]) -> None:
    """A list, its count and its pages hold what matches everything that is given, newest or oldest first."""
    record(database, 4)
    record(database, 1, RejectionCode.TOO_LARGE)
    record(database, 1, RejectionCode.TOO_LARGE, stream="other")
    mark(database, 3)

    assert listed(database, matching) == expected
    assert count_matching(database, matching) == (len(expected), max(expected, default=None))
    assert [r.facts.id for page in malformed_pages(database, matching, limit=2) for r in page] == expected[::-1]


def test_a_list_goes_on_where_a_page_ended(database: Database) -> None:
    """Pages follow each other by the last id seen, whatever is recorded meanwhile."""
    record(database, 5)

    first = listed(database, MalformedFilter(), limit=2)
    record(database, 1)

    assert (first, listed(database, MalformedFilter(), before=4, limit=2)) == ([5, 4], [3, 2])
    assert listed(database, MalformedFilter(), before=1) == []


def test_a_list_says_whose_it_was_where_that_can_be_read(database: Database) -> None:
    """Producer and type are shown as they came, cut; a field that is no text as it is recorded."""
    record(database, 1, raw=((b"producer", b"x" * 1000), (b"notification_type", b"\xff")))

    [facts] = list_malformed(database, EVERYTHING, before=None, limit=1)

    assert (facts.producer, facts.notification_type) == ("x" * 200, '{"base64": "/w=="}')


def test_one_is_found_by_its_id(database: Database) -> None:
    """Its number finds it whole."""
    first = record(database, 1)[0]

    assert find_malformed(database, first).facts.stream == INTENTS
    assert find_malformed(database, first).raw_fields == {"producer": "game"}


@pytest.mark.parametrize("named", [17, 10**18 - 1])
def test_what_is_not_there_is_named(database: Database, named: int) -> None:
    """An unknown id is an error that names it, also in an empty table."""
    with pytest.raises(NotFound, match=f"no malformed intent {named}$"):
        find_malformed(database, named)


def test_a_page_stays_within_its_bytes(database: Database) -> None:
    """Huge entries come a few at a time, at least one, and none is passed over."""
    ids = record(database, 5, raw=((b"payload_json", b"x" * 10_000),))

    pages = [[r.facts.id for r in page] for page in malformed_pages(database, EVERYTHING, limit=3, most_bytes=15_000)]

    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert [len(page) for page in malformed_pages(database, EVERYTHING, most_bytes=1)] == [1] * 5


def test_a_mark_says_who_when_and_as_what_and_is_counted(database: Database) -> None:
    """Marked once, by the database's clock, counted in its action by the same statement."""
    first, second = record(database, 2)
    action = begin_action(database, "resubmit-malformed", "ann", {}, 2)

    marked = mark_resubmitted(database, [Sent(first, "8-0", None), Sent(second, "9-0", None)], "ann", action)

    assert marked == {first, second}
    assert rows(
        database,
        "SELECT resubmitted_by, resubmitted_as, now() - resubmitted_at < interval '1 minute' AS just_now,"
        " date_trunc('milliseconds', resubmitted_at) = resubmitted_at AS whole FROM malformed_intents ORDER BY id",
    ) == [
        {"resubmitted_by": "ann", "resubmitted_as": entry_id, "just_now": True, "whole": True}
        for entry_id in ("8-0", "9-0")
    ]
    assert find_action(database, action).done == 2


def test_of_two_marks_the_second_changes_nothing(database: Database) -> None:
    """A mark holds only against what was read: the other operator's stays (R8's way)."""
    [one] = record(database, 1)
    assert mark(database, one, entry_id="8-0") == {one}

    assert mark(database, one, entry_id="9-0", by="bob") == set()
    assert mark(database, one, entry_id="9-0", seen="7-0", by="bob") == set()

    found = find_malformed(database, one)
    assert (found.facts.resubmitted_by, found.facts.resubmitted_as) == ("ann", "8-0")
    assert mark(database, one, entry_id="9-0", seen="8-0", by="bob") == {one}


def test_what_was_accepted_is_known_also_once_pruned(database: Database) -> None:
    """The fingerprint of a kept or a pruned notification says what a key stands for (R18)."""
    accepted(database, [{"idempotency_key": "kept"}])
    kept, gone, never = (incoming(idempotency_key=key).intent for key in ("kept", "gone", "never"))
    execute(database, "INSERT INTO pruned_notifications VALUES (%s, '\\xf0', now())", gone.notification_id)

    known = accepted_fingerprints(database, [i.notification_id for i in (kept, gone, never)])

    assert known == {kept.notification_id: kept.fingerprint, gone.notification_id: "f0"}
