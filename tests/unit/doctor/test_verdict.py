"""Verdicts of `publisher doctor` on settings, clocks and schema; how several become one."""

from datetime import timedelta

import pytest

from publisher.doctor.checks import clocks, configuration, schema
from publisher.doctor.checks.clocks import ClockReading
from publisher.doctor.verdict import Diagnosis, Verdict, failed, ok, together, unknown, warning
from publisher.domain.timeouts import Timeouts
from publisher.operations.wording import names, size, span
from storage.catalogue import Constraint, Index

DUE = Index("routes", "routes_due", ("channel", "next_attempt_at", "id"), unique=False, partial=True)
IDENTITY = Index("routes", "routes_identity", ("notification_id", "route_id"), unique=True, partial=False)
EXPECTED = {DUE: "CREATE INDEX … routes_due", IDENTITY: "CREATE UNIQUE INDEX … routes_identity"}
CONSTRAINTS = [Constraint("routes", "routes_pkey"), Constraint("routes", "routes_status_is_known")]


def seconds(count: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=count)


def windows(**changed: timedelta) -> Diagnosis:
    """What is said of the default windows, with these changed."""
    whole = {
        "dedup": seconds(3600),
        "audit": seconds(600),
        "lease_ttl": seconds(30),
        "scan_interval": seconds(5),
        "longest_backoff": seconds(1800),
    }
    return configuration.windows(**(whole | changed))


def test_without_complaints_all_is_well() -> None:
    """A check with nothing to complain of is ok, says what it saw, and has no remedy."""
    assert together([], "all 14 are there") == ok("all 14 are there")
    assert ok("all 14 are there").remedy == ""


def test_several_complaints_have_the_worst_verdict_first() -> None:
    """A check that fails in one respect has failed, and says that before its warnings."""
    complaints = [unknown("c", "look"), warning("b", "mend"), failed("a", "mend")]

    assert together(complaints, "") == Diagnosis(Verdict.FAILED, "a; b; c", "mend; look")


def test_what_is_unknown_is_no_failure() -> None:
    """A warning outweighs what could not be seen, and that outweighs what is well."""
    assert together([unknown("c", ""), warning("b", "")], "").verdict is Verdict.WARNING
    assert together([unknown("c", "")], "").verdict is Verdict.UNKNOWN


def test_a_hundred_complaints_are_one_readable_line() -> None:
    """The first five are told, the worst among them; of the others how many there are."""
    complaints = [warning(f"w{n}", f"mend {n}") for n in range(1001)] + [failed("the worst", "mend it")]

    said = together(complaints, "")

    assert said.finding == "the worst; w0; w1; w2; w3; and 997 more"
    assert said.remedy == "mend it; mend 0; mend 1; mend 2; mend 3"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0 ms"),
        (0.00042, "0.42 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59, "59 s"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (100_800, "1 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(duration: float, text: str) -> None:
    """Durations are said as a person would."""
    assert span(seconds(duration)) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (512, "512 bytes"), (1536, "1.5 KiB"), (2**40, "1 TiB"), (2**52, "4.1e+03 TiB")]
)
def test_a_size_has_its_largest_unit(count: int, text: str) -> None:
    """Sizes are said as a person would."""
    assert size(count) == text


def test_a_long_list_says_how_many_more() -> None:
    """Five names are read, a thousand are not."""
    assert names(["a", "b"]) == "a, b"
    assert names([str(n) for n in range(1005)]) == "0, 1, 2, 3, 4 and 1,000 more"
    assert names([]) == ""


def test_a_mistyped_variable_is_a_warning_that_names_it() -> None:
    """A variable that nothing reads leaves a default in force."""
    assert configuration.variables(["PUBLISHER_BATCH_SIZ"], {}) == warning(
        "ignored: PUBLISHER_BATCH_SIZ", "correct the names, or take the variables away"
    )
    assert configuration.variables([], {}).verdict is Verdict.OK


def test_an_old_name_is_a_warning_that_names_the_new_one() -> None:
    """A variable of an earlier release is understood, and doctor says what it is called now."""
    old, new = "PUBLISHER_PUSH_STREAM_MAX_LEN", "PUBLISHER_PUSH_STREAM_CEILING"

    assert configuration.variables([], {old: new}) == warning(
        f"set under an old name: {old}", f"rename: {old} to {new}"
    )


@pytest.mark.parametrize("ttl", [0.1, 1, 30, 3600])
def test_the_timeouts_of_every_lease_fit_into_it(ttl: float) -> None:
    """The service's own timeouts end an attempt before its lease, however short that is."""
    limits = Timeouts.within(seconds(ttl))

    said = configuration.timeouts(
        connect=limits.connect, statement=limits.statement, redis=limits.redis, lease_ttl=seconds(ttl)
    )

    assert said.verdict is Verdict.OK


def test_an_attempt_that_outlives_its_lease_fails_the_check() -> None:
    """Timeouts that together reach the lease TTL let two workers have one route."""
    limits = {"connect": seconds(3), "statement": seconds(7), "redis": seconds(3)}

    assert configuration.timeouts(**limits, lease_ttl=seconds(39.001)).verdict is Verdict.OK
    said = configuration.timeouts(**limits, lease_ttl=seconds(39))
    assert said.verdict is Verdict.FAILED
    assert "at most 39 s" in said.finding
    assert "PUBLISHER_ROUTE_LEASE_TTL" in said.remedy


def test_the_default_windows_are_well() -> None:
    """The defaults cover each other (R12, R12a)."""
    assert windows() == ok("deliveries are remembered for 1 h, losses looked for in 10 min")


def test_a_dedup_window_within_a_lease_and_a_scan_fails_the_check() -> None:
    """A delivery forgotten before it may be tried again is appended twice (R12)."""
    assert windows(dedup=seconds(35)).verdict is Verdict.FAILED
    assert windows(dedup=seconds(36), longest_backoff=seconds(1)).verdict is Verdict.OK


def test_a_retry_after_the_dedup_window_is_a_warning() -> None:
    """A command that was not recorded, and is tried again after its witness is gone, stands there twice (R12)."""
    assert windows(longest_backoff=seconds(3569)).verdict is Verdict.OK
    said = windows(longest_backoff=seconds(3570))
    assert said.verdict is Verdict.WARNING
    assert "PUBLISHER_DEDUP_WINDOW" in said.remedy


def test_no_loss_audit_is_a_warning() -> None:
    """Without an audit nobody notices what Redis lost (R12a)."""
    said = windows(audit=timedelta(0))

    assert (said.verdict, said.finding) == (Verdict.WARNING, "there is no loss audit")


@pytest.mark.parametrize(
    ("ahead", "round_trip", "verdict"),
    [
        (0, 0.001, Verdict.OK),
        (1, 0, Verdict.OK),
        (1.001, 0, Verdict.WARNING),
        (-1.001, 0, Verdict.WARNING),
        (30, 0, Verdict.WARNING),
        (30.001, 0, Verdict.FAILED),
        (-86_400, 0, Verdict.FAILED),
        # Somewhere within two seconds the clock was read: it may be right.
        (1.9, 2, Verdict.OK),
        (2.1, 2, Verdict.WARNING),
        (0, 60, Verdict.OK),
    ],
)
def test_clocks_may_differ_by_a_second(ahead: float, round_trip: float, verdict: Verdict) -> None:
    """More than 1 s is a warning, more than 30 s a failure, of what is certain beside the round trip."""
    assert clocks.clock("PostgreSQL", ClockReading(seconds(ahead), seconds(round_trip))).verdict is verdict


def test_a_clock_says_which_way_it_is_off() -> None:
    """The finding names the server, how far off it is, and how sure that is."""
    said = clocks.clock("Redis", ClockReading(seconds(-90), seconds(0.002)))

    assert said.finding == "Redis is 1 min 30 s behind this machine, give or take 1 ms"
    assert "NTP" in said.remedy


def test_pending_migrations_fail_the_check() -> None:
    """A release on an old schema must not begin; the remedy is one command."""
    said = schema.migrations(["0002_operations"], [])

    assert said == failed("not applied: 0002_operations", "run 'publisher migrate'")
    assert schema.migrations([], []).verdict is Verdict.OK


def test_migrations_of_a_newer_release_are_a_warning() -> None:
    """Going back to an older release is allowed, and worth a word."""
    said = schema.migrations([], ["0099_later"])

    assert said.verdict is Verdict.WARNING
    assert "0099_later" in said.finding


def test_indexes_that_are_there_are_well_whatever_else_is_there() -> None:
    """An index of an operator's own does no harm."""
    others = Index("routes", "routes_by_somebody", ("id",), unique=False, partial=False)

    assert schema.indexes(EXPECTED, {DUE: True, IDENTITY: True, others: False}) == ok("all 2 are there and valid")


def test_a_missing_index_is_named_with_the_statement_that_makes_it() -> None:
    """Without its index a claim reads the whole table: the check fails, and the remedy can be pasted."""
    said = schema.indexes(EXPECTED, {IDENTITY: True})

    assert said == failed("routes_due is missing", "CREATE INDEX … routes_due")


def test_an_invalid_index_is_named_with_how_to_build_it() -> None:
    """What a broken CREATE INDEX CONCURRENTLY leaves behind serves nobody."""
    said = schema.indexes(EXPECTED, {DUE: False, IDENTITY: True})

    assert said.finding == "routes_due is not valid and serves nobody"
    assert said.remedy == "REINDEX INDEX CONCURRENTLY routes_due"


@pytest.mark.parametrize(
    ("instead", "shape"),
    [
        (
            Index("routes", "routes_identity", ("notification_id", "route_id"), unique=False, partial=False),
            "on routes (notification_id, route_id)",
        ),
        (
            Index("routes", "routes_identity", ("route_id", "notification_id"), unique=True, partial=True),
            "unique partial on routes (route_id, notification_id)",
        ),
    ],
)
def test_an_index_of_the_same_name_and_another_shape_fails_the_check(instead: Index, shape: str) -> None:
    """A name alone keeps no promise: columns, uniqueness and what part of the table it is over must agree."""
    said = schema.indexes(EXPECTED, {DUE: True, instead: True})

    assert said.verdict is Verdict.FAILED
    assert said.finding == f"routes_identity is {shape}, not unique on routes (notification_id, route_id)"


def test_a_missing_constraint_is_named() -> None:
    """Without its constraint a table takes states that cannot be (R3)."""
    said = schema.constraints(CONSTRAINTS, {CONSTRAINTS[0]: True, Constraint("notifications", "routes_pkey"): True})

    assert (said.verdict, said.finding) == (Verdict.FAILED, "missing: routes_status_is_known")


def test_a_constraint_that_old_rows_may_break_is_named() -> None:
    """NOT VALID says nothing of the rows that are there."""
    said = schema.constraints(CONSTRAINTS, {CONSTRAINTS[0]: True, CONSTRAINTS[1]: False})

    assert (said.verdict, said.finding) == (Verdict.FAILED, "not valid: routes_status_is_known")
    assert schema.constraints(CONSTRAINTS, dict.fromkeys(CONSTRAINTS, True)).verdict is Verdict.OK
