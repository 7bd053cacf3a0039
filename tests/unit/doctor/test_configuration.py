"""What doctor says of variables, timeouts, windows and clocks."""

from datetime import timedelta

import pytest

from publisher.doctor.checks import clocks, configuration
from publisher.doctor.checks.clocks import ClockReading
from publisher.doctor.verdict import Diagnosis, Verdict, ok, warning
from publisher.domain.timeouts import Timeouts
from tests.unit.settings.environments import read


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


def test_a_mistyped_variable_is_a_warning_that_names_it() -> None:
    """A variable that nothing reads leaves a default in force."""
    meant = {"PUBLISHER_BATCH_SIZ": "PUBLISHER_BATCH_SIZE"}

    assert configuration.variables(["PUBLISHER_BATCH_SIZ", "PUBLISHER_OURS"], meant, {}) == warning(
        "ignored: PUBLISHER_BATCH_SIZ (did you mean PUBLISHER_BATCH_SIZE?), PUBLISHER_OURS",
        "correct the names, or take the variables away",
    )
    assert configuration.variables([], {}, {}).verdict is Verdict.OK


def test_a_page_that_would_not_start_is_a_warning() -> None:
    """Doctor names the tokens that are missing where others reach the page, and no token's value (R36)."""
    secret = "read-token-of-a-test"  # noqa: S105 - looked for in what is said
    web = read(WEB_HOST="::", WEB_READ_TOKEN=secret).web

    said = configuration.page(web.host, web.missing_tokens, is_open=web.is_open)

    assert said.verdict is Verdict.WARNING
    assert "set PUBLISHER_WEB_OPERATE_TOKEN, or" in said.remedy
    assert secret not in said.finding + said.remedy
    assert configuration.page("127.0.0.1", [], is_open=True).verdict is Verdict.OK
    assert configuration.page("::", [], is_open=False) == ok("whoever asks needs a token")


def test_an_old_name_is_a_warning_that_names_the_new_one() -> None:
    """A variable of an earlier release is understood, and doctor says what it is called now."""
    old, new = "PUBLISHER_PUSH_STREAM_MAX_LEN", "PUBLISHER_PUSH_STREAM_CEILING"

    assert configuration.variables([], {}, {old: new}) == warning(
        f"set under an old name: {old}", f"rename: {old} to {new}"
    )


def test_tracing_that_was_asked_for_and_is_off_is_a_warning() -> None:
    """Who set a variable and sees no trace learns why; who set none is told nothing to do."""
    assert configuration.tracing([], []).verdict is Verdict.OK
    assert configuration.tracing(["console"], {"console"}) == ok("spans go to console")
    without = configuration.tracing(["otlp_proto_http"], [])
    assert (without.verdict, "pip install" in without.remedy) == (Verdict.WARNING, True)


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
