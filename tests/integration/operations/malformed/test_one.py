"""Sending a malformed intent again: validated, sent, marked, in that order (R18, R19)."""

from typing import Any

import pytest
import redis

from publisher.domain.errors import BadRequest, DatabaseUnavailable, RedisRefused
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.malformed import resubmit as resubmission
from publisher.operations.malformed.resubmit import Resubmission, Sendable
from publisher.streams.producer import add_intents
from storage.actions import ActionFilter, ActionOutcome, list_actions
from storage.database import Database
from tests.factories import INTENTS, accept, accepted, incoming, intent_fields, raw
from tests.integration.operations.malformed.resubmissions import Give, action, marks, sent, valid
from tests.integration.rows import rows


def test_what_is_valid_by_now_is_sent_as_it_came_and_marked(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """One entry with the very fields, the mark naming it, and the action done (R19)."""
    record = give(idempotency_key="turn-17", payload_json='{ "a":1.50 }')

    entry_id = work.send(valid(work, record), "ann", "unchanged")

    assert sent(redis_client) == [intent_fields(idempotency_key="turn-17", payload_json='{ "a":1.50 }')]
    assert marks(database) == [entry_id]
    done = action(database)
    assert (done.action, done.by, done.matched, done.done, done.outcome) == (
        *("resubmit-malformed", "ann", 1, 1),
        ActionOutcome.DONE,
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channels_json": ["pigeon"]}, RejectionCode.UNKNOWN_CHANNEL),
        ({"producer": None}, RejectionCode.MISSING_FIELD),
        ({"producer": "\x1b"}, RejectionCode.CONTROL_CHARACTER),
    ],
)
def test_what_is_still_malformed_is_not_sendable(
    work: Resubmission, give: Give, fields: dict[str, Any], code: RejectionCode
) -> None:
    """The verdict is intake's own, before anything is sent (R19)."""
    verdict = work.judge_unchanged(give(**fields))

    assert isinstance(verdict, Rejection)
    assert verdict.code is code


def test_a_conflict_stays_one_until_its_key_is_changed(work: Resubmission, give: Give, database: Database) -> None:
    """Under an accepted key other content is refused; under its own key, or as the same content, it is not (R18)."""
    accepted(database, [{"idempotency_key": "k"}])
    record = give(idempotency_key="k", payload_json={"turn": 18})

    refused = work.judge_unchanged(record)

    assert isinstance(refused, Rejection)
    assert refused.code is RejectionCode.IDEMPOTENCY_CONFLICT
    changed = intent_fields(idempotency_key="k2", payload_json={"turn": 18})
    assert isinstance(work.judge(record, raw(changed)), Sendable)
    assert isinstance(work.judge(record, raw(intent_fields(idempotency_key="k"))), Sendable)


def test_one_that_was_resubmitted_meanwhile_is_not_sent(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """An editor may be open for an hour: what someone else sent since is said, and nothing is sent."""
    sendable = valid(work, give())
    first = work.send(sendable, "bob", "unchanged")

    with pytest.raises(BadRequest, match=f"resubmitted meanwhile by bob as {first}"):
        work.send(sendable, "ann", "unchanged")

    assert len(sent(redis_client)) == 1


def test_of_two_who_send_at_once_one_marks_and_the_other_is_told(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both entries stand on the stream, with one key: intake accepts one; the second mark changes nothing (R18)."""
    record = give()
    real = add_intents

    def while_another_does(*arguments: Any) -> list[str]:
        monkeypatch.setattr(resubmission, "add_intents", real)
        work.send(valid(work, record), "bob", "unchanged")
        return real(*arguments)

    monkeypatch.setattr(resubmission, "add_intents", while_another_does)
    with pytest.raises(BadRequest, match="while someone else resubmitted"):
        work.send(valid(work, record), "ann", "unchanged")

    [first, second] = sent(redis_client)
    assert first == second
    assert rows(database, "SELECT resubmitted_by FROM malformed_intents") == [{"resubmitted_by": "bob"}]
    assert [a.outcome for a in list_actions(database, ActionFilter(), limit=2)] == ["done", "failed"]


def test_a_crash_between_sending_and_marking_costs_nothing(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent and not marked, it waits as before; sent once more it is the same content under one key (R18)."""
    record = give(idempotency_key="k")

    def die(*_: Any) -> set[int]:
        raise DatabaseUnavailable("PostgreSQL is not available: gone")

    with monkeypatch.context() as patched:
        patched.setattr(resubmission, "mark_resubmitted", die)
        with pytest.raises(
            DatabaseUnavailable, match=r"sent as \d+-\d+ and not marked: resubmitting again is harmless"
        ):
            work.send(valid(work, record), "ann", "unchanged")
    assert marks(database) == [None]
    assert action(database).outcome is ActionOutcome.FAILED

    work.send(valid(work, record), "ann", "unchanged")

    entries = [incoming(f"{n}-9", **fields) for n, fields in enumerate(sent(redis_client))]
    result = accept(database, INTENTS, entries, [])
    assert (len(result.accepted), len(result.duplicates), len(result.malformed)) == (1, 1, 0)


def test_a_stream_that_refuses_leaves_it_waiting(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """Nothing is marked that was not sent, and the line says that trying again is harmless."""
    record = give()
    redis_client.set(INTENTS, "no stream")

    with pytest.raises(RedisRefused, match="not marked: resubmitting again is harmless"):
        work.send(valid(work, record), "ann", "unchanged")

    assert marks(database) == [None]
    assert action(database).outcome is ActionOutcome.FAILED


@pytest.mark.usefixtures("end_not_heard")
def test_the_entry_is_told_though_nobody_heard_that_the_end_is_recorded(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """The intent is sent and marked: its operator learns the entry's id (R34)."""
    entry_id = work.send(valid(work, give()), "ann", "unchanged")

    assert marks(database) == [entry_id]
    assert len(sent(redis_client)) == 1
