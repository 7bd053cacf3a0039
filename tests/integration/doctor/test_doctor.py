"""The checks of `publisher doctor` together, on real servers with real faults."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from publisher.bootstrap import load_settings
from publisher.doctor import examine as run
from publisher.doctor.examine import examine
from publisher.doctor.step import once
from publisher.doctor.verdict import Diagnosis, Verdict
from publisher.domain.errors import DatabaseUnavailable
from publisher.streams.connection import open_redis
from publisher.streams.heartbeats import Process, ProcessRegister
from storage.database import Database
from storage.identity import read_system
from storage.rights import grant_statements
from tests.conftest import run_sql
from tests.factories import GROUP, INTENTS
from tests.integration.roles import plain_role
from tests.integration.rows import all_routes, change, due_routes, execute, rows
from tests.integration.stream_entries import send_intents
from tests.processes import free_port
from tests.valkeys import OwnValkey, cluster, sentinel

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN
# What the tests' own servers cannot offer: they do not sync, and no intake has run.
EXPECTED = {"postgresql-durability", "intents-group"}


@pytest.fixture
def examined(environ: dict[str, str]) -> Callable[..., dict[str, Diagnosis]]:
    """Runs every check with this environment and the variables given besides."""

    def run(**variables: str) -> dict[str, Diagnosis]:
        return {check.name: check.diagnosis for check in examine(load_settings(environ | variables))}

    return run


Examined = Callable[..., dict[str, Diagnosis]]


def amiss(found: dict[str, Diagnosis]) -> dict[str, Verdict]:
    """Every check that is not ok, but for what is expected."""
    return {name: d.verdict for name, d in found.items() if d.verdict is not OK and name not in EXPECTED}


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
    assert found["schema"].finding == "not looked at: see postgresql"
    assert {found[name].verdict for name in ("redis", "redis-persistence", "streams", "timeouts")} == {OK}


def test_without_redis_postgresql_is_still_checked(examined: Examined) -> None:
    """Its own check has failed, what hangs on it is unknown, and the others are as before."""
    wrong = amiss(examined(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"))

    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert {"redis-clock", "streams", "intents-pending"} <= set(wrong)
    assert "schema" not in wrong


def test_a_check_that_is_kept_waiting_is_unknown_and_alone(
    examined: Examined, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on the routes is waited for once and not for ever; what needs no routes is looked at."""
    monkeypatch.setattr(run, "_STATEMENT", timedelta(milliseconds=300))
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE routes")
        began = time.monotonic()
        found = examined()
        took = time.monotonic() - began

    assert amiss(found) == dict.fromkeys(("due-routes", "leases", "channels", "loss-audit"), UNKNOWN)
    assert took < 5


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


def test_a_database_that_is_not_migrated_has_one_failure(
    examined: Examined, create_database: Callable[[str], str]
) -> None:
    """The rest follows from it, and is unknown until it is mended: no index is said to be missing."""
    wrong = amiss(examined(DATABASE_URL=create_database("template0")))

    assert wrong.pop("schema") is FAILED
    of_intents = {"intents-replayed", "intents-lost"}
    assert set(wrong) == {
        "columns",
        "indexes",
        "constraints",
        "due-routes",
        "leases",
        "gates",
        "channels",
        "loss-audit",
        *of_intents,
    }
    assert set(wrong.values()) == {UNKNOWN}


def test_a_dropped_index_and_constraint_fail_their_checks(examined: Examined, database: Database) -> None:
    """Each is named, and nothing else is amiss."""
    execute(database, "DROP INDEX routes_due")
    execute(database, "ALTER TABLE routes DROP CONSTRAINT routes_published_says_when")

    found = examined()

    assert amiss(found) == {"indexes": FAILED, "constraints": FAILED}
    assert found["indexes"].finding == "routes_due is missing"
    assert found["constraints"].finding == "missing: routes_published_says_when"


def test_a_database_that_quotes_every_name_has_its_indexes(examined: Examined, database_url: str) -> None:
    """Its definitions read otherwise, and mean the same: no index is to be dropped and made anew."""
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f'ALTER DATABASE "{name}" SET quote_all_identifiers = on')

    assert amiss(examined()) == {}


def test_a_dropped_column_fails_its_check(examined: Examined, database: Database) -> None:
    """The migrations say that it is there, and every statement that names it is refused."""
    execute(database, "ALTER TABLE stream_audits RENAME COLUMN covered_to TO elsewhere")
    execute(database, "ALTER TABLE routes DROP COLUMN lane")

    found = examined()

    assert found["columns"].verdict is FAILED
    assert found["columns"].finding == "missing: routes.lane, stream_audits.covered_to"


def test_a_role_with_rights_to_rows_alone_has_nothing_amiss_until_one_is_missing(
    examined: Examined, database_url: str
) -> None:
    """The missing one is named, and the statement that gives it; what it keeps from being looked at is unknown."""
    with plain_role(database_url, *grant_statements("{role}")) as url:
        assert amiss(examined(DATABASE_URL=url)) == {}
        run_sql(database_url, f"REVOKE INSERT ON routes FROM {urlsplit(url).username}")

        found = examined(DATABASE_URL=url)

    assert amiss(found) == {"postgresql-rights": FAILED}
    assert found["postgresql-rights"].finding == "not granted: INSERT on routes"
    assert found["postgresql-rights"].remedy == f"GRANT INSERT ON routes TO {urlsplit(url).username}"


def test_a_postgresql_that_takes_no_write_fails_its_check(
    examined: Examined, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """Whatever the reason: here it is not done in time."""
    monkeypatch.setattr("storage.health._TRIAL_ROWS", 10**9)
    monkeypatch.setattr(run, "_STATEMENT", timedelta(milliseconds=300))

    found = examined()

    assert amiss(found) == {"postgresql-writes": FAILED}
    assert found["postgresql-writes"].finding.startswith("it took no write: PostgreSQL is not available")


def test_work_that_nobody_does_is_a_warning(examined: Examined, database: Database, redis_client: redis.Redis) -> None:
    """Routes due for an hour, leases long over, intents of an hour ago that nobody reads."""
    orphan = due_routes(database, 2)[1:]
    change(database, orphan, "lease_token = 'x', lease_expires_at = now() - interval '3 minutes'")
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    redis_client.xadd(INTENTS, {"a": "b"}, id=f"{hour_ago}-0")

    found = examined()

    assert amiss(found) == {"due-routes": WARNING, "leases": WARNING}
    assert found["leases"].finding.startswith("email: 1 leases over for up to 3 min")
    assert found["intents-group"].finding.startswith("1 unread, the first sent 1 h")


def test_a_lease_is_orphaned_after_three_leases(examined: Examined, database: Database) -> None:
    """What was over a moment ago may be taken over any moment now (R5)."""
    change(database, due_routes(database, 1), "lease_token = 'x', lease_expires_at = now() - interval '80 seconds'")

    assert examined()["leases"].verdict is OK
    assert examined(PUBLISHER_ROUTE_LEASE_TTL="20")["leases"].verdict is WARNING


def test_a_paused_channel_is_told_and_its_backlog_is_not(examined: Examined, database: Database) -> None:
    """It waits because somebody said so."""
    due_routes(database, 1)
    execute(
        database,
        "INSERT INTO channel_gates (channel, paused_at, paused_by, pause_reason)"
        " VALUES ('email', now(), 'ann', 'the mail server moves')",
    )

    found = examined()

    assert amiss(found) == {"gates": WARNING}
    assert "paused by ann: the mail server moves" in found["gates"].finding


def test_open_routes_of_an_unknown_channel_fail_the_check(examined: Examined, database: Database) -> None:
    """They are due, too, and nobody will come (R24)."""
    change(database, due_routes(database, 1), "channel = 'sms'")

    found = examined()

    assert found["channels"].verdict is FAILED
    assert "sms" in found["channels"].finding


def test_a_session_left_in_its_transaction_for_long_is_a_warning(
    examined: Examined, database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid is in the remedy."""
    monkeypatch.setattr("publisher.doctor.checks.postgresql._LONG", timedelta(0))
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        found = examined()

    assert amiss(found) == {"transactions": WARNING}
    assert f"pg_terminate_backend({pid})" in found["transactions"].remedy
    assert rows(database, "SELECT 1 AS one") == [{"one": 1}]


def test_a_redis_unfit_for_the_job_fails_its_checks(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """It evicts, keeps nothing, and is nearly full; and a channel's stream is no stream."""
    own_client.set("mail:delivery_commands", b"x" * 2_000_000)
    own_client.config_set("appendonly", "no")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    used = int(own_client.info("memory")["used_memory"])
    own_client.config_set("maxmemory", round(used * 1.2))

    wrong = amiss(examined(REDIS_URL=own_valkey.url))

    assert wrong == {
        "redis-persistence": FAILED,
        "redis-eviction": FAILED,
        "redis-memory": WARNING,
        "streams": FAILED,
    }


def test_a_redis_that_tells_nothing_leaves_its_checks_unknown(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """A managed server denies INFO, CONFIG and ACL: that is no failure, and each says what to do.

    Rights are tried without asking for them.
    """
    rules = ("reset", "on", ">secret", "~*", "+@all", "-@dangerous")
    own_client.execute_command("ACL", "SETUSER", "app", *rules)

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    unknown = {"redis", "redis-persistence", "redis-eviction", "redis-memory", "redis-clients"}
    assert amiss(found) == dict.fromkeys(unknown, UNKNOWN)
    assert all(found[name].remedy for name in unknown)


def test_a_redis_without_a_right_of_the_service_fails_its_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Signs of life, a scan that someone waits for: whatever is refused is named, and the rules that give it."""
    rules = ("reset", "on", ">secret", "~*", "+@all", "-hdel", "-hgetall")
    own_client.execute_command("ACL", "SETUSER", "app", *rules)

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    assert amiss(found) == {"redis-rights": FAILED, "redis-systems": UNKNOWN}
    assert found["redis-rights"].finding.startswith("not allowed: HDEL publisher:processes, HGETALL publisher:process")
    assert found["redis-rights"].remedy.startswith("ACL SETUSER … +hdel ~publisher:* +hgetall ~dramatiq:* for")


def test_a_user_who_may_not_even_connect_fails_one_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Without CLIENT SETNAME no connection of the service begins."""
    own_client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", "-client")

    found = examined(REDIS_URL=own_valkey.url.replace("://", "://app:secret@"))

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert "client|setname" in found["redis"].finding
    assert found["redis-rights"].finding == "not looked at: see redis"


def test_a_redis_that_takes_no_writes_fails_a_check(
    examined: Examined, own_valkey: OwnValkey, own_client: redis.Redis
) -> None:
    """Whatever the reason, and whatever it says of its own state."""
    own_client.config_set("maxmemory", 1)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is FAILED
    own_client.config_set("maxmemory", 0)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is OK
    own_client.replicaof("127.0.0.1", 1)
    assert examined(REDIS_URL=own_valkey.url)["redis-writes"].verdict is FAILED


def test_a_cluster_of_several_shards_is_named_for_what_it_is(examined: Examined, tmp_path: Path) -> None:
    """Its own check says so, and the others do not complain of what follows."""
    with cluster(tmp_path, shards=2) as url:
        found = examined(REDIS_URL=url)

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert found["redis"].finding.startswith("it is one shard of a cluster of 2 shards")


def test_a_cluster_that_may_not_be_asked_is_told_by_keys_that_are_elsewhere(examined: Examined, tmp_path: Path) -> None:
    """INFO and CLUSTER are denied, and MOVED is not."""
    with cluster(tmp_path, shards=2) as url, redis.Redis.from_url(url) as client:
        rules = ("reset", "on", ">secret", "~*", "+@all", "-info", "-cluster")
        client.execute_command("ACL", "SETUSER", "app", *rules)
        found = examined(REDIS_URL=url.replace("://", "://app:secret@"))

    assert found["redis"].verdict is FAILED
    assert "a cluster of several shards" in found["redis"].finding


def test_a_cluster_of_one_shard_will_do(examined: Examined, tmp_path: Path) -> None:
    """Every key is on it."""
    with cluster(tmp_path, shards=1) as url:
        assert amiss(examined(REDIS_URL=url)) == {}


def test_a_sentinel_is_named_for_what_it_is(examined: Examined, tmp_path: Path) -> None:
    """It answers, and knows next to no command."""
    with sentinel(tmp_path / "sentinel") as url:
        found = examined(REDIS_URL=url)

    wrong = amiss(found)
    assert wrong.pop("redis") is FAILED
    assert set(wrong.values()) == {UNKNOWN}
    assert found["redis"].finding.startswith("it is a Sentinel")


def test_a_second_system_on_the_same_redis_fails_its_check(
    examined: Examined, create_database: Callable[[str], str], template: str, database: Database, redis_url: str
) -> None:
    """Each of the two learns it, by the other's living processes; a system alone has nothing amiss."""
    other_url = create_database(template)
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        own, other = "a" * 16, "b" * 16
        process = Process(own, "intake", "web-1", 17, datetime.now(UTC), "0.1.0", read_system(database))
        ProcessRegister(client).sign(process)
        assert amiss(examined()) == {}
        with closing(Database(other_url, application_name="test")) as theirs:
            ProcessRegister(client).sign(replace(process, id=other, host="web-2", system=read_system(theirs)))

        ours, theirs_found = examined(), examined(DATABASE_URL=other_url)

    assert amiss(ours) == amiss(theirs_found) == {"redis-systems": FAILED}
    assert "intake web-2 pid 17" in ours["redis-systems"].finding
    assert "intake web-1 pid 17" in theirs_found["redis-systems"].finding


def test_a_consumer_that_died_with_entries_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """Nobody has taken over for longer than it takes."""
    redis_client.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    [entry] = send_intents(redis_client, 1)
    redis_client.xreadgroup(GROUP, "dead", {INTENTS: ">"})
    short = {"PUBLISHER_ROUTE_LEASE_TTL": "0.05"}
    time_passes = redis_client.time()
    while redis_client.xinfo_consumers(INTENTS, GROUP)[0]["idle"] <= 100:
        assert redis_client.time()[0] - time_passes[0] < 10

    found = examined(**short)["intents-pending"]

    assert (found.verdict, found.finding.rpartition(" ")[2]) == (WARNING, "dead")
    redis_client.xack(INTENTS, GROUP, entry)
    assert examined(**short)["intents-pending"].verdict is OK
