"""Verdicts of `publisher doctor` on PostgreSQL and Redis."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.doctor.checks import connections, postgresql, redis_server
from publisher.doctor.verdict import Verdict, ok
from publisher.local.procfile import procfile
from storage.activity import Connections, Prepared, Slot, Transaction
from storage.health import Hosts, PostgresServer, Table
from tests.unit.doctor.redis_servers import REDIS

OK, WARNING, FAILED, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.UNKNOWN
MS = timedelta(milliseconds=1)
POSTGRESQL = PostgresServer("18.4", False, False, True, True, "on")
IDLE = Transaction(17, "psql", "ann", "idle in transaction", timedelta(0), 3)
ROUTES = Table("routes", live=1_000_000, dead=0, vacuumed=timedelta(hours=1), autovacuum=True)


def test_a_server_that_answers_at_once_is_well() -> None:
    """Both servers say who they are, and how quickly they answer."""
    assert postgresql.server(POSTGRESQL, MS, 3750 * MS) == ok("PostgreSQL 18.4 answers in 1 ms")
    assert redis_server.server(REDIS, MS, 1875 * MS) == ok("Valkey 9.1.2 answers in 1 ms")


@pytest.mark.parametrize("changed", [{"standby": True}, {"read_only": True}])
def test_a_postgresql_that_takes_no_writes_fails_the_check(changed: dict[str, bool]) -> None:
    """A standby, or a role that may only read, publishes nothing."""
    said = postgresql.server(replace(POSTGRESQL, **changed), MS, 3750 * MS)

    assert said.verdict is FAILED
    assert "primary" in said.remedy


def test_a_redis_that_takes_no_writes_fails_the_check() -> None:
    """A replica refuses every append, and one that loads refuses everything."""
    assert redis_server.server(replace(REDIS, role="slave"), MS, 1875 * MS).finding.endswith("its role is slave")
    assert redis_server.server(replace(REDIS, role="slave"), MS, 1875 * MS).verdict is FAILED
    assert redis_server.server(replace(REDIS, loading=True), MS, 1875 * MS).verdict is FAILED
    assert redis_server.server(replace(REDIS, role="primary"), MS, 1875 * MS).verdict is OK


def test_a_server_that_answers_as_slowly_as_the_service_waits_is_a_warning() -> None:
    """A short lease makes short timeouts: a distant server would always be too late."""
    assert postgresql.server(POSTGRESQL, 10 * MS, 100 * MS).verdict is OK
    assert postgresql.server(POSTGRESQL, 11 * MS, 100 * MS).verdict is WARNING
    assert redis_server.server(REDIS, 10 * MS, 100 * MS).verdict is OK
    assert redis_server.server(REDIS, 11 * MS, 100 * MS).verdict is WARNING


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Hosts("db1:5432", 1, chosen=False), Verdict.OK),
        (Hosts("db2:5432", 2, chosen=True), Verdict.OK),
        (Hosts("db1:5432", 2, chosen=False), Verdict.WARNING),
    ],
)
def test_several_hosts_without_a_word_which_takes_writes_are_a_warning(found: Hosts, verdict: Verdict) -> None:
    """After a failover the old primary may be a standby that answers first. The host that is used is named."""
    said = postgresql.hosts(found)

    assert said.verdict is verdict
    assert said.finding.startswith(found.reached)
    assert (verdict is Verdict.WARNING) == ("target_session_attrs=read-write" in (said.remedy or ""))


def test_what_is_wrong_with_the_host_that_is_not_used_is_told_before_a_failover() -> None:
    """It lets nobody in, with another password say; or it is a primary, too, which nobody stopped after a failover."""
    found = Hosts("db1:5432", 2, chosen=True)
    refused = postgresql.hosts(replace(found, refusals=["password authentication failed (db2:5432)"]))
    both = postgresql.hosts(replace(found, primaries=["db2:5432"]))

    assert (refused.verdict, both.verdict) == (WARNING, FAILED)
    assert refused.finding.endswith("was not connected to: password authentication failed (db2:5432)")
    assert both.finding == "db1:5432 is used, and a primary is db2:5432, too"


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, OK),
        ({"synchronous_commit": "local"}, OK),
        ({"fsync": False}, WARNING),
        ({"full_page_writes": False}, WARNING),
        ({"synchronous_commit": "off"}, WARNING),
    ],
)
def test_a_commit_that_a_crash_may_undo_is_a_warning(changed: dict[str, object], verdict: Verdict) -> None:
    """An intent is acknowledged on the strength of its commit (R20)."""
    said = postgresql.durability(replace(POSTGRESQL, **changed))  # type: ignore[arg-type]

    assert said.verdict is verdict
    assert verdict is OK or next(iter(changed)) in said.finding


@pytest.mark.parametrize(("encoding", "verdict"), [("UTF8", OK), ("SQL_ASCII", FAILED), ("LATIN1", FAILED)])
def test_an_encoding_that_cannot_hold_every_text_fails(encoding: str, verdict: Verdict) -> None:
    """Intents with other texts would become malformed (R19a)."""
    said = postgresql.encoding(encoding)

    assert said.verdict is verdict
    assert encoding in said.finding


@pytest.mark.parametrize(
    ("age", "verdict"), [(timedelta(minutes=5), OK), (timedelta(minutes=6), WARNING), (timedelta(hours=25), FAILED)]
)
def test_an_old_transaction_is_named(age: timedelta, verdict: Verdict) -> None:
    """Dead rows pile up behind it: longer than five minutes is a warning, a forgotten one a failure."""
    said = postgresql.transactions([replace(IDLE, age=age), IDLE])

    assert said.verdict is verdict
    assert verdict is OK or "pid 17 (psql, idle in transaction)" in said.finding
    assert verdict is OK or "pg_terminate_backend(17)" in said.remedy


def test_a_transaction_that_is_not_ours_to_see_is_judged_by_its_snapshot() -> None:
    """Another role's age is hidden, how many transactions have begun since is not."""
    hidden = replace(IDLE, application="", state=None, age=None)

    assert postgresql.transactions([replace(hidden, xmin_age=1_000_000)]).verdict is OK
    said = postgresql.transactions([replace(hidden, xmin_age=1_000_001)])
    assert said.finding == "pid 17 (ann, state not shown) sees rows as 1,000,001 transactions ago"
    assert said.verdict is WARNING


def test_the_age_of_the_oldest_transaction_is_told() -> None:
    """Also where all is well."""
    assert postgresql.transactions([]) == ok("none is open")
    assert postgresql.transactions([replace(IDLE, age=2 * MS), IDLE]) == ok("the oldest has run for 2 ms")


def test_a_prepared_transaction_that_was_left_is_named() -> None:
    """The service prepares none, and one that is left survives a restart."""
    fresh, left = Prepared("a", "ann", timedelta(minutes=5)), Prepared("b'", "ann", timedelta(hours=3))

    assert postgresql.prepared([]).verdict is OK
    assert postgresql.prepared([fresh]).verdict is OK
    said = postgresql.prepared([left, fresh])
    assert (said.verdict, said.finding) == (WARNING, 'waiting: "b\'" of ann for 3 h')


def test_a_replication_slot_that_nobody_reads_is_named_with_what_it_keeps() -> None:
    """It keeps WAL until the disk is full."""
    said = postgresql.slots([Slot("old", False, None, 3 * 2**30), Slot("gone", False, None, None)])

    assert said.verdict is WARNING
    assert said.finding == "old is read by nobody, 3 GiB of WAL kept; gone is read by nobody"
    assert "pg_drop_replication_slot('old')" in said.remedy


def test_a_replication_slot_that_holds_old_rows_is_named() -> None:
    """A standby's long query holds back the removal of dead rows here."""
    assert postgresql.slots([Slot("standby", True, 1_000_000, 0)]).verdict is OK
    assert postgresql.slots([Slot("standby", True, 1_000_001, 0)]).verdict is WARNING


@pytest.mark.parametrize(
    ("live", "dead", "verdict"),
    [(0, 10_000, OK), (0, 10_001, WARNING), (10**6, 500_000, OK), (10**6, 500_001, WARNING)],
)
def test_a_table_half_full_of_dead_rows_is_named(live: int, dead: int, verdict: Verdict) -> None:
    """Claims walk over them; a few thousand are no one's trouble."""
    said = postgresql.dead_rows([replace(ROUTES, live=live, dead=dead)])

    assert said.verdict is verdict
    assert verdict is OK or said.finding.endswith("live ones, vacuumed 1 h ago")


def test_a_table_without_autovacuum_is_named() -> None:
    """A queue table without it gets slower for ever."""
    said = postgresql.dead_rows([replace(ROUTES, autovacuum=False), replace(ROUTES, name="notifications")])

    assert (said.verdict, said.finding) == (WARNING, "autovacuum is off for routes")


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("dramatiq publisher.actors --processes 2 --threads 4 --skip-logging", 16),
        ("dramatiq publisher.actors -p 1 -t 8", 12),
        ("exec dramatiq publisher.actors --processes=3 --threads=1 --queues email", 15),
        # What Dramatiq takes unless told: a process a core, eight threads.
        ("dramatiq publisher.actors", 4 * 12),
        # A process opens no more than its pool.
        ("dramatiq publisher.actors -p 1 -t 64", 16),
        ("publisher intake", 3),
        ("publisher scheduler run", 0),
        ("publisher mailer run", 4),
        ("dramatiq publisher.actors --processes ${WORKERS:-2}", None),
        ("dramatiq publisher.actors --threads", None),
    ],
)
def test_a_procfile_line_says_how_many_connections_it_opens(command: str, count: int | None) -> None:
    """A worker process has one for each thread, of Dramatiq and of its own; intake has three, and a mailer four."""
    assert connections.needed({"process": command}, cores=4, pool=16, intents=1, emails=1) == count


@pytest.mark.parametrize(("partitions", "of_intake", "of_mailer"), [(4, 6, 13), (8, 10, 16), (64, 16, 16)])
def test_partitions_take_connections_of_their_own(partitions: int, of_intake: int, of_mailer: int) -> None:
    """Each is read by a loop of its own, within the pool of the process (R37)."""
    for command, count in {"publisher intake": of_intake, "publisher mailer run": of_mailer}.items():
        of = {"intents": partitions, "emails": partitions}
        assert connections.needed({"process": command}, cores=4, pool=16, **of) == count


def test_the_procfile_as_it_stands_fits_a_small_plan() -> None:
    """Twenty connections are enough for one of each process, where another mail service sends."""
    assert connections.needed(procfile(), cores=1, pool=16, intents=1, emails=0) == 19


@pytest.mark.parametrize(
    ("limit", "need", "connected", "verdict"),
    [
        (100, 11, 11, OK),
        (22, 11, 11, OK),
        (21, 11, 0, WARNING),
        (97, 11, 87, WARNING),
        (97, 11, 86, OK),
        (11, 11, 0, WARNING),
        (10, 11, 0, FAILED),
    ],
)
def test_a_deploy_that_overlaps_another_must_fit(limit: int, need: int, connected: int, verdict: Verdict) -> None:
    """Old and new processes run at once (R15): too few for both is a warning, too few for one a failure."""
    said = connections.budget(Connections(limit, {"publisher-worker": connected}), need)

    assert said.verdict is verdict
    assert f"up to {need} of {limit}" in said.finding


def test_a_page_without_a_connection_is_no_failure() -> None:
    """It shows what it could not read, and no work waits for it: a small plan is a warning (R35)."""
    page = connections.of_page(procfile())

    said = connections.budget(Connections(20, {}), 19, page)

    assert (said.verdict, page) == (WARNING, 16)
    assert "up to 35 of 20" in said.finding


def test_connections_are_told_by_application() -> None:
    """The most first, so that an operator sees who has them."""
    said = connections.budget(Connections(100, {"": 1, "psql": 2, "publisher-worker": 10}), 11)

    assert said.finding.endswith("connected now: publisher-worker 10, psql 2, no name 1")


def test_a_procfile_with_a_shell_variable_leaves_the_need_unknown() -> None:
    """What cannot be read is not guessed."""
    assert connections.budget(Connections(100, {}), None).verdict is UNKNOWN
