"""Verdicts of `publisher doctor` on isolation, on TLS, and on a write that was tried."""

import pytest

from publisher.doctor.checks import postgresql, rights, sessions
from publisher.doctor.verdict import Verdict, ok
from storage.health import Isolation, Tls
from storage.schema.rights import Grant

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


@pytest.mark.parametrize(
    ("session", "default", "verdict", "finding"),
    [
        ("read committed", None, OK, "transactions are read committed"),
        ("read committed", "serializable", OK, "though this role or database sets serializable"),
        ("serializable", "serializable", WARNING, "transactions are serializable"),
        ("repeatable read", None, WARNING, "transactions are repeatable read"),
    ],
)
def test_a_stricter_isolation_is_a_warning_where_it_holds(
    session: str, default: str | None, verdict: Verdict, finding: str
) -> None:
    """A default that the service does not take over is only told."""
    said = sessions.isolation(Isolation(session, default))

    assert said.verdict is verdict
    assert finding in said.finding


@pytest.mark.parametrize(
    ("in_use", "mode", "verdict"),
    [
        *((True, "verify-full", OK), (True, "verify-ca", OK), (True, "require", WARNING), (True, "prefer", WARNING)),
        (False, "prefer", OK),
    ],
)
def test_a_certificate_of_postgresql_that_is_not_verified_is_a_warning(
    in_use: bool, mode: str, verdict: Verdict
) -> None:
    """libpq's own default verifies nothing."""
    assert sessions.postgresql_tls(Tls(in_use, mode)).verdict is verdict


@pytest.mark.parametrize(
    ("url", "mode", "verdict"),
    [
        ("rediss://redis/0", "verify", OK),
        ("rediss://redis/0", "insecure", WARNING),
        ("redis://redis/0", "insecure", OK),
        ("unix:///run/redis.sock", "verify", OK),
    ],
)
def test_a_certificate_of_redis_that_is_not_verified_is_a_warning(url: str, mode: str, verdict: Verdict) -> None:
    """Where it is used at all."""
    assert sessions.redis_tls(url, mode).verdict is verdict


def test_a_postgresql_right_that_is_missing_is_named_with_the_statement_that_gives_it() -> None:
    """Pasted, it mends what it complains of."""
    said = rights.postgresql([Grant("INSERT on routes", "GRANT INSERT ON routes TO app")])

    assert (said.verdict, said.finding) == (FAILED, "not granted: INSERT on routes")
    assert said.remedy == "GRANT INSERT ON routes TO app"
    assert rights.postgresql([]) == ok("this role may do all that is needed")


def test_a_write_that_postgresql_did_not_take_fails_the_check() -> None:
    """In its own words."""
    assert postgresql.writes(None).verdict is OK
    said = postgresql.writes("PostgreSQL is not available: could not extend file")
    assert (said.verdict, said.finding) == (
        FAILED,
        "it took no write: PostgreSQL is not available: could not extend file",
    )
