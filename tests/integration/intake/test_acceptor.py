"""Committing what was read, in transactions of a bounded size (R19–R21)."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.backoff import Backoff
from publisher.domain.errors import DatabaseRefused
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.intake import acceptor
from publisher.intake.acceptor import Acceptor
from publisher.process import next_try
from storage.accepting.intents import IncomingMalformed
from storage.database import Database
from tests.factories import INTENTS, incoming
from tests.integration.rows import rows
from tests.integration.stream_entries import wait_until_read

MEBIBYTE = 1024 * 1024


@pytest.fixture
def commits(database: Database) -> Acceptor:
    """An acceptor that nobody tells to stop."""
    return Acceptor(database, INTENTS, threading.Event(), lambda _ids: None)


def crowd(size: int) -> list[dict[str, str]]:
    return [{"user_id": str(n), "email": f"user-{n}@example.com"} for n in range(size)]


def test_intents_of_many_recipients_are_committed_a_few_at_a_time(commits: Acceptor) -> None:
    """Ten intents of a thousand recipients on two channels are five transactions, each over in time (R21)."""
    entries = [incoming(f"{n}-0", recipients_json=crowd(1000)) for n in range(10)]

    sizes = [len(part) for part, _ in commits.commit(entries)]

    assert sizes == [2] * 5


def test_large_payloads_are_committed_a_few_at_a_time(commits: Acceptor) -> None:
    """A hundred intents at the payload's limit are several transactions (R21)."""
    payload = json.dumps({"text": "x" * (256 * 1024 - 20)})
    entries = [incoming(f"{n}-0", payload_json=payload) for n in range(100)]

    parts = [(len(part), len(accepted.accepted)) for part, accepted in commits.commit(entries)]

    assert len(parts) > 3
    assert sum(count for _, count in parts) == 100


def test_one_entry_over_every_bound_is_committed_alone(commits: Acceptor) -> None:
    """An entry is never split, and its neighbours do not wait for it (R21)."""
    huge = Rejection(RejectionCode.TOO_LARGE, "too large")
    entries = [incoming("1-0"), IncomingMalformed("2-0", ((b"x", b"y" * 9 * MEBIBYTE),), huge), incoming("3-0")]

    assert [len(part) for part, _ in commits.commit(entries)] == [1, 1, 1]


def test_a_giant_entry_is_recorded_in_part(
    start_intake: Callable[..., threading.Thread], database: Database, redis_client: redis.Redis
) -> None:
    """Of an entry over 16 MiB the beginning of each value is kept, with its length; the stream goes on (R19)."""
    redis_client.xadd(INTENTS, {"payload_json": b"a" * 17 * MEBIBYTE, "producer": b"\xff"})
    start_intake()
    wait_until_read(redis_client)

    [malformed] = rows(database, "SELECT failure_code, raw_fields FROM malformed_intents")
    assert malformed["failure_code"] == "invalid_utf8"
    fields: dict[str, Any] = malformed["raw_fields"]
    assert fields["payload_json"] == {"cut": "a" * 64 * 1024, "bytes": 17 * MEBIBYTE}
    assert fields["producer"] == {"cut": {"base64": "/w=="}, "bytes": 1}


def test_fields_that_postgresql_refuses_do_not_stop_the_stream(
    commits: Acceptor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A malformed entry whose fields cannot be stored as they are is recorded all the same, with every one of them, in
    ASCII alone; the reason says what was wrong at first, too (R19, R19a)."""
    whole = acceptor.reject

    def refusing(*arguments: Any) -> Any:
        if any(not entry.is_plain for entry in arguments[2]):
            raise DatabaseRefused("PostgreSQL refused the statement: not this")
        return whole(*arguments)

    monkeypatch.setattr(acceptor, "reject", refusing)
    raw = ((b"a", b"b"), ("\xe9".encode(), "\u2603".encode()), (b"n", b"\xff"))
    entry = IncomingMalformed("1-0", raw, Rejection(RejectionCode.UNKNOWN_FIELD, "\u2603: unknown"))

    [(_, accepted)] = list(commits.commit([entry]))

    [row] = rows(database, "SELECT failure_message, raw_fields FROM malformed_intents")
    assert [m.malformed.code for m in accepted.malformed] == [RejectionCode.STORAGE_REFUSED]
    assert row["raw_fields"] == {"a": "b", "base64:w6k=": {"base64": "4piD"}, "n": {"base64": "/w=="}}
    assert row["failure_message"] == ("unknown_field: \\u2603: unknown; PostgreSQL refused the statement: not this")


def test_a_record_that_is_refused_in_every_form_is_waited_for(
    commits: Acceptor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be recorded, no value is at fault: the entry waits, whole, and is not acknowledged (R19a)."""
    whole, refusals = acceptor.reject, 5

    def refusing(*arguments: Any) -> Any:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise DatabaseRefused("PostgreSQL refused the statement: a constraint of someone's")
        return whole(*arguments)

    monkeypatch.setattr(acceptor, "reject", refusing)
    monkeypatch.setattr(next_try, "_BACKOFF", Backoff(timedelta(milliseconds=1), timedelta(milliseconds=1)))
    entry = IncomingMalformed("1-0", ((b"a", b"b"),), Rejection(RejectionCode.UNKNOWN_FIELD, "a: unknown"))

    [(_, accepted)] = list(commits.commit([entry]))

    assert len(accepted.malformed) == 1
    assert rows(database, "SELECT raw_fields FROM malformed_intents") == [{"raw_fields": {"a": "b"}}]
