"""The checks of `publisher doctor` together: each stands alone, and none takes long."""

import time
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
import redis

from publisher.doctor import examine as run
from publisher.doctor.steps.step import once
from publisher.doctor.verdict import Verdict
from publisher.domain.errors import DatabaseUnavailable
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.doctor.examined import Examined, amiss
from tests.integration.rows import all_routes, due_routes
from tests.integration.stream_entries import send_intents
from tests.processes import free_port

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN


def test_a_system_that_is_well_has_nothing_amiss(examined: Examined) -> None:
    """On migrated, idle servers no check complains, and none has a remedy without a complaint."""
    found = examined()

    assert amiss(found) == {}
    assert all(bool(d.remedy) == (d.verdict is not OK) for d in found.values())
    assert all(d.finding for d in found.values())


def test_no_check_changes_anything(examined: Examined, database: Database, redis_client: redis.Redis) -> None:
    """Routes, leases, streams and groups are as they were; nothing is created either."""
    due_routes(database, 3)
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    send_intents(redis_client, 2)
    redis_client.xreadgroup(GROUP, "one", {INTENTS: ">"}, count=1)

    def state() -> object:
        consumers = [(c["name"], c["pending"]) for c in redis_client.xinfo_consumers(INTENTS, GROUP)]
        return all_routes(database), redis_client.keys("*"), redis_client.xinfo_groups(INTENTS), consumers

    before = state()
    examined()

    assert state() == before


def test_without_postgresql_redis_is_still_checked(examined: Examined) -> None:
    """Its own check has failed, what hangs on it is unknown, and the others are as before."""
    found = examined(DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none")

    assert found["postgresql"].verdict is FAILED
    wrong = amiss(found)
    assert wrong.pop("postgresql") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert {"schema", "indexes", "connections", "due-routes"} <= set(wrong)
    assert found["schema"].finding == "not looked at: needs PostgreSQL"
    assert {found[name].verdict for name in ("redis", "redis-persistence", "streams", "timeouts")} == {OK}


def test_without_redis_postgresql_is_still_checked(examined: Examined) -> None:
    """Its own check has failed, what hangs on it is unknown, and the others are as before."""
    wrong = amiss(examined(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"))

    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert {"redis-clock", "streams", "intents-pending"} <= set(wrong)
    assert "schema" not in wrong


def test_a_check_that_is_kept_waiting_is_unknown_and_alone(examined: Examined, database_url: str) -> None:
    """A lock on the routes is waited for once and not for ever; what needs no routes is looked at."""
    waiting = ("notifications-of-routes", "due-routes", "answers", "leases", "channels")
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE routes")
        began = time.monotonic()
        found = examined(statement=timedelta(milliseconds=300))
        took = time.monotonic() - began

    assert amiss(found) == dict.fromkeys((*waiting, "loss-audit"), UNKNOWN)
    # Waited for by each of the six, or for as long as one may, it would be more.
    assert took < 15


def test_several_checks_wait_for_the_same_answer_once() -> None:
    """What failed for the first of them fails for the others at once."""
    asked = []

    def away() -> None:
        asked.append(1)
        raise DatabaseUnavailable("PostgreSQL is not available")

    ask = once(away)

    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            ask()
    assert len(asked) == 1


def test_when_time_is_up_what_is_left_is_unknown(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the servers are, the end is in sight."""
    monkeypatch.setattr(run, "_PATIENCE", timedelta(seconds=-1))

    assert {d.verdict for d in examined().values()} == {UNKNOWN}
