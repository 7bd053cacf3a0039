"""Sending malformed intents again: validated, sent, marked, in that order (R18, R19)."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from publisher.domain.errors import BadRequest, DatabaseUnavailable, RedisRefused
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations import resubmit as resubmission
from publisher.operations.resubmit import Resubmission, Sendable, Tally
from publisher.streams.producer import add_intents
from storage.actions import ActionFilter, ActionOutcome, ActionRecord, list_actions
from storage.database import Database
from storage.intents import IncomingMalformed, accept
from storage.malformed import MalformedFilter, MalformedRecord, find_malformed, malformed_pages
from tests.factories import CHANNELS, INTENTS, accepted, incoming, intent_fields, raw
from tests.integration.rows import execute, rows

WHY = Rejection(RejectionCode.UNKNOWN_CHANNEL, "channels_json.0: no such channel")
Give = Callable[..., MalformedRecord]


@pytest.fixture
def work(database: Database, redis_client: redis.Redis) -> Resubmission:
    """Resubmission with email and push installed."""
    return Resubmission(database, redis_client, INTENTS, CHANNELS)


@pytest.fixture
def give(database: Database) -> Give:
    """Records an entry with these fields as malformed."""
    given: list[str] = []

    def record(**fields: Any) -> MalformedRecord:
        given.append(f"{len(given) + 1}-1")
        accept(database, INTENTS, [], [IncomingMalformed(given[-1], raw(intent_fields(**fields)), WHY)])
        return find_malformed(database, given[-1])[0]

    return record


def sent(client: redis.Redis) -> list[dict[str, str]]:
    """What stands on the intents stream."""
    return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in client.xrange(INTENTS)]


def marks(database: Database) -> list[str | None]:
    """What each was resubmitted as."""
    return [row["resubmitted_as"] for row in rows(database, "SELECT resubmitted_as FROM malformed_intents ORDER BY id")]


def action(database: Database) -> ActionRecord:
    """The only action."""
    [only] = list_actions(database, ActionFilter(), limit=10)
    return only


def valid(work: Resubmission, record: MalformedRecord) -> Sendable:
    verdict = work.judge_unchanged(record)
    assert isinstance(verdict, Sendable), verdict
    return verdict


def send_all(work: Resubmission, on_page: Callable[[int], None] = lambda _: None) -> Tally:
    return work.send_matching(MalformedFilter(), 3, "ann", on_page)


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


def test_those_that_match_are_sent_oldest_first_and_the_rest_left(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """Valid ones go, with one mark each; what is still malformed or would conflict stays, counted by its code (R19)."""
    accepted(database, [{"idempotency_key": "k"}])
    give(idempotency_key="a")
    give(channels_json=["pigeon"])
    give(idempotency_key="k", payload_json={"other": 1})
    give(idempotency_key="b")
    seen: list[int] = []

    tally = send_all(work, seen.append)

    assert [fields["idempotency_key"] for fields in sent(redis_client)] == ["a", "b"]
    assert (tally.sent, tally.taken, dict(tally.left)) == (2, 0, {"unknown_channel": 1, "idempotency_conflict": 1})
    assert [as_ is not None for as_ in marks(database)] == [True, False, False, True]
    assert seen == [4]
    done = action(database)
    assert (done.matched, done.done, done.outcome) == (3, 2, ActionOutcome.DONE)


def test_a_survey_changes_nothing(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """A dry run says how many would go, sends nothing and leaves no action."""
    give()
    give(channels_json=["pigeon"])

    tally = work.survey(MalformedFilter(), lambda _: None)

    assert (tally.sent, dict(tally.left)) == (1, {"unknown_channel": 1})
    assert (sent(redis_client), marks(database)) == ([], [None, None])
    assert list_actions(database, ActionFilter(), limit=1) == []


def test_what_was_interrupted_is_done_by_doing_it_again(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after a page leaves whole pages and an action that says so; the next run does the rest, none twice."""
    keys = [give(idempotency_key=str(n)).facts.id and str(n) for n in range(3)]
    pages = malformed_pages
    monkeypatch.setattr(resubmission, "malformed_pages", lambda *given: pages(*given, limit=2))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_all(work, interrupt)
    interrupted = action(database)
    assert (interrupted.done, interrupted.outcome) == (2, ActionOutcome.INTERRUPTED)

    assert send_all(work).sent == 1
    assert [fields["idempotency_key"] for fields in sent(redis_client)] == keys


def test_one_that_is_pruned_meanwhile_is_told_apart(
    work: Resubmission, give: Give, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What vanished between sending and marking is counted as taken, and spoils nothing."""
    gone = give().facts.id
    give()
    real = add_intents

    def while_it_is_pruned(*arguments: Any) -> list[str]:
        execute(database, "DELETE FROM malformed_intents WHERE id = %s", gone)
        return real(*arguments)

    monkeypatch.setattr(resubmission, "add_intents", while_it_is_pruned)

    tally = send_all(work)

    assert (tally.sent, tally.taken) == (2, 1)
    assert None not in marks(database)
