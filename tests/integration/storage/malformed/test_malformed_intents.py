"""Entries that are not accepted: kept whole, recorded once, stopping nothing (R18, R19, R21)."""

import base64
from typing import Any

import pytest

from publisher.domain.rejection import Rejection, RejectionCode
from storage.accepting.intents import IncomingMalformed, RawFields
from storage.database import Database
from tests.factories import INTENTS, accept, incoming, intent_fields
from tests.integration.rows import all_routes, rows

WHY = Rejection(RejectionCode.INVALID_UTF8, "a field is not UTF-8")


def malformed_rows(database: Database) -> list[dict[str, Any]]:
    return rows(database, "SELECT * FROM malformed_intents ORDER BY stream_entry_id")


def malformed(entry_id: str = "1-0", raw: RawFields = ()) -> IncomingMalformed:
    return IncomingMalformed(entry_id, raw, WHY)


def test_a_malformed_entry_is_recorded(database: Database) -> None:
    """A malformed entry is kept with its stream, its id, a code and a reason (R19)."""
    entry = malformed("1773480413589-0", ((b"producer", b"game-service"),))

    batch = accept(database, INTENTS, [], [entry])

    [row] = malformed_rows(database)
    assert batch.malformed == [entry]
    assert (row["stream"], row["stream_entry_id"]) == ("notification:intents", "1773480413589-0")
    assert (row["failure_code"], row["failure_message"]) == ("invalid_utf8", "a field is not UTF-8")
    assert row["raw_fields"] == {"producer": "game-service"}
    assert row["recorded_at"].microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ((), {}),
        (((b"", b""),), {"": ""}),
        (((b"a", "é 🎲 \u2028 \\u0000 \"'{}".encode()),), {"a": "é 🎲 \u2028 \\u0000 \"'{}"}),
        (((b"a", b"\xff\xfe"),), {"a": {"base64": "//4="}}),
        (((b"a", b"before\x00after"),), {"a": {"base64": base64.b64encode(b"before\x00after").decode()}}),
        (((b"a", b"\xed\xa0\x80"),), {"a": {"base64": "7aCA"}}),
        (((b"\xff", b"b"),), {"base64:/w==": "b"}),
        (((b"n\x00l", b"b"),), {"base64:bgBs": "b"}),
        (((b"a", b"1"), (b"a", b"2"), (b"a", b"\xff")), {"a": ["1", "2", {"base64": "/w=="}]}),
        (((b"a", b"x" * 5_000_000),), {"a": "x" * 5_000_000}),
    ],
    ids=["none", "blank", "text", "no-utf8", "nul", "surrogate", "name-no-utf8", "name-nul", "twice", "huge"],
)
def test_nothing_of_a_malformed_entry_is_lost(database: Database, raw: RawFields, kept: dict[str, object]) -> None:
    """Whatever bytes an entry holds, they can be had back from what is recorded (R19)."""
    accept(database, INTENTS, [], [malformed(raw=raw)])

    assert malformed_rows(database)[0]["raw_fields"] == kept


def test_a_malformed_entry_is_recorded_once(database: Database) -> None:
    """An entry that is read again, after a crash before its acknowledgement, is recorded once (R19, R20)."""
    accept(database, INTENTS, [], [malformed("1-0"), malformed("2-0"), malformed("2-0")])
    before = malformed_rows(database)

    accept(database, INTENTS, [], [malformed("1-0"), malformed("2-0")])

    assert malformed_rows(database) == before
    assert len(before) == 2


def test_two_streams_may_have_the_same_entry_id(database: Database) -> None:
    """An entry is told from another by its stream and its id together (R19)."""
    accept(database, INTENTS, [], [malformed("1-0")])
    accept(database, "other:intents", [], [malformed("1-0")])

    assert [row["stream"] for row in malformed_rows(database)] == ["notification:intents", "other:intents"]


def test_other_content_under_a_known_key_is_a_conflict(database: Database) -> None:
    """Different content under an accepted key is recorded as idempotency_conflict, and changes nothing (R18)."""
    accept(database, INTENTS, [incoming("1-0", idempotency_key="k")], [])
    before = all_routes(database)
    fields = {"idempotency_key": "k", "payload_json": {"turn": 18}}
    other = incoming("2-0", **fields)

    batch = accept(database, INTENTS, [other], [])

    [row] = malformed_rows(database)
    assert (list(batch.accepted), list(batch.duplicates)) == ([], [])
    assert [m.malformed.code for m in batch.malformed] == [RejectionCode.IDEMPOTENCY_CONFLICT]
    assert (row["stream_entry_id"], row["failure_code"]) == ("2-0", "idempotency_conflict")
    assert row["raw_fields"] == intent_fields(**fields)
    assert other.intent.notification_id in row["failure_message"]
    assert all_routes(database) == before


def test_a_conflict_within_a_batch_leaves_the_first(database: Database) -> None:
    """Of two contents under one key in one batch the first is accepted, the other is the conflict (R18)."""
    batch = [
        incoming("1-0", idempotency_key="k", payload_json={"turn": 1}),
        incoming("2-0", idempotency_key="k", payload_json={"turn": 2}),
        incoming("3-0", idempotency_key="k", payload_json={"turn": 1}),
    ]

    result = accept(database, INTENTS, batch, [])

    assert [i.entry_id for i in result.accepted] == ["1-0"]
    assert [m.entry_id for m in result.malformed] == ["2-0"]
    assert [i.entry_id for i in result.duplicates] == ["3-0"]
    assert rows(database, "SELECT payload::text FROM notifications") == [{"payload": '{"turn": 1}'}]


def test_one_bad_entry_never_spoils_its_batch(database: Database) -> None:
    """A batch of new, repeated, conflicting and malformed entries ends with each in its place (R21)."""
    accept(database, INTENTS, [incoming("1-0", idempotency_key="known")], [])
    intents = [
        incoming("2-0", idempotency_key="known"),
        incoming("3-0", idempotency_key="known", producer="game-service", payload_json={}),
        incoming("4-0", idempotency_key="new"),
    ]

    batch = accept(database, INTENTS, intents, [malformed("5-0", ((b"\xff", b"\x00"),))])

    assert [i.entry_id for i in batch.duplicates] == ["2-0"]
    assert [i.entry_id for i in batch.accepted] == ["4-0"]
    assert sorted(m.entry_id for m in batch.malformed) == ["3-0", "5-0"]
    assert [row["stream_entry_id"] for row in malformed_rows(database)] == ["3-0", "5-0"]
    assert rows(database, "SELECT count(*) FROM notifications") == [{"count": 2}]
