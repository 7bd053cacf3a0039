"""Settings from the environment: defaults, rules, and errors that say everything at once."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.backoff import Backoff
from publisher.domain.lanes import Lane
from publisher.domain.retention import Retention
from publisher.domain.timeouts import Timeouts
from tests.unit.settings.environments import read

# Variable, field, default.
DEFAULTS: list[tuple[str, str, Any]] = [
    ("PUBLISHER_ROUTE_LEASE_TTL", "route_lease_ttl", timedelta(seconds=30)),
    ("PUBLISHER_ROUTE_BACKOFF_MIN", "route_backoff_min", timedelta(seconds=1)),
    ("PUBLISHER_ROUTE_BACKOFF_MAX", "route_backoff_max", timedelta(seconds=1800)),
    ("PUBLISHER_ROUTE_BACKOFF_JITTER", "route_backoff_jitter", False),
    ("PUBLISHER_RETRY_HORIZON", "retry_horizon", timedelta(seconds=300)),
    ("PUBLISHER_DEDUP_WINDOW", "dedup_window", timedelta(seconds=3600)),
    ("PUBLISHER_AUDIT_WINDOW", "audit_window", timedelta(seconds=600)),
    ("PUBLISHER_SCAN_INTERVAL", "scan_interval", timedelta(seconds=5)),
    ("PUBLISHER_BATCH_SIZE", "batch_size", 500),
    ("PUBLISHER_LANE_WEIGHTS", "lane_weights", {Lane.URGENT: 8, Lane.NORMAL: 3, Lane.BULK: 1}),
    ("PUBLISHER_INTENTS_STREAM", "intents_stream", "notification:intents"),
    ("PUBLISHER_INTENTS_GROUP", "intents_group", "notification-publisher"),
    ("PUBLISHER_INTENTS_RETENTION", "intents_retention", timedelta(hours=1)),
    ("PUBLISHER_RETENTION", "retention", timedelta(days=30)),
    ("PUBLISHER_KEY_RETENTION", "key_retention", timedelta(days=90)),
    ("PUBLISHER_LOG_FORMAT", "log_format", "auto"),
    ("PUBLISHER_LOG_LEVEL", "log_level", "INFO"),
    ("PUBLISHER_LOG_ADDRESSES", "log_addresses", "masked"),
    ("PUBLISHER_METRICS_PORT", "metrics_port", 0),
    ("PUBLISHER_REDIS_TLS", "redis_tls", "verify"),
    ("PUBLISHER_REDIS_CA_FILE", "redis_ca_file", ""),
]


@pytest.mark.parametrize(("variable", "field", "default"), DEFAULTS)
def test_a_variable_that_is_not_set_has_its_default(variable: str, field: str, default: object) -> None:
    """Two URLs are enough to start with."""
    assert getattr(read(), field) == default


@pytest.mark.parametrize("blank", ["", " \t\n"])
@pytest.mark.parametrize(("variable", "field", "default"), DEFAULTS)
def test_a_blank_variable_has_its_default(variable: str, field: str, default: object, blank: str) -> None:
    """`${VAR:-}` in a compose file sets a variable to nothing: it is as if it were not set."""
    assert getattr(read({variable: blank}), field) == default


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("ROUTE_LEASE_TTL", "0.25", "route_lease_ttl", timedelta(milliseconds=250)),
        ("ROUTE_LEASE_TTL", " 45 ", "route_lease_ttl", timedelta(seconds=45)),
        ("ROUTE_LEASE_TTL", "0.001", "route_lease_ttl", timedelta(milliseconds=1)),
        ("ROUTE_LEASE_TTL", "1.0019", "route_lease_ttl", timedelta(milliseconds=1001)),
        ("ROUTE_LEASE_TTL", "0.1", "route_lease_ttl", timedelta(milliseconds=100)),
        ("RETRY_HORIZON", "0", "retry_horizon", timedelta(0)),
        ("AUDIT_WINDOW", "0", "audit_window", timedelta(0)),
        ("RETENTION", "31622400", "retention", timedelta(days=366)),
        ("ROUTE_BACKOFF_JITTER", "true", "route_backoff_jitter", True),
        ("ROUTE_BACKOFF_JITTER", "1", "route_backoff_jitter", True),
        ("ROUTE_BACKOFF_JITTER", "off", "route_backoff_jitter", False),
        ("BATCH_SIZE", "1", "batch_size", 1),
        ("BATCH_SIZE", "1000", "batch_size", 1000),
        ("LANE_WEIGHTS", " 1 / 1/1000 ", "lane_weights", {Lane.URGENT: 1, Lane.NORMAL: 1, Lane.BULK: 1000}),
        ("INTENTS_STREAM", "{tenant-7}:intents", "intents_stream", "{tenant-7}:intents"),
        ("INTENTS_GROUP", "b", "intents_group", "b"),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_FORMAT", "console", "log_format", "console"),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_FORMAT", " Console ", "log_format", "console"),
        ("LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("LOG_LEVEL", "info", "log_level", "INFO"),
        ("LOG_LEVEL", "Warning", "log_level", "WARNING"),
        ("LOG_ADDRESSES", "full", "log_addresses", "full"),
        ("LOG_ADDRESSES", "FULL", "log_addresses", "full"),
        ("METRICS_PORT", "65535", "metrics_port", 65535),
        ("REDIS_TLS", "insecure", "redis_tls", "insecure"),
        ("REDIS_TLS", "Verify", "redis_tls", "verify"),
        ("REDIS_CA_FILE", __file__, "redis_ca_file", __file__),
    ],
)
def test_a_variable_is_read(variable: str, text: str, field: str, value: object) -> None:
    """What the environment says holds, to its limits; times are kept in whole milliseconds (R2)."""
    assert getattr(read(**{variable: text}), field) == value


def test_zero_keeps_for_ever() -> None:
    """A retention of 0 is none: nothing is ever pruned or trimmed (retention)."""
    assert read(RETENTION="0", KEY_RETENTION="0", INTENTS_RETENTION="0", EVENTS_RETENTION="0").keeping == Retention(
        None, None, None, None
    )
    assert read().keeping == Retention(timedelta(days=30), timedelta(days=90), timedelta(hours=1), timedelta(hours=1))


def test_unknown_variables_are_collected() -> None:
    """A misspelt variable is found out, and stops nothing; what is not ours is left alone."""
    settings = read({"PUBLISHER_SCAN_INTERVALL": "1", "PUBLISHER_": "", "publisher_scan_interval": "2", "PATH": "/bin"})

    assert settings.unknown_variables == ("PUBLISHER_", "PUBLISHER_SCAN_INTERVALL")
    assert settings.meant_variables == {"PUBLISHER_SCAN_INTERVALL": "PUBLISHER_SCAN_INTERVAL"}
    assert settings.scan_interval == timedelta(seconds=5)


@pytest.mark.parametrize("name", ["CHANNELS", "UNKNOWN_VARIABLES"])
def test_what_is_put_together_cannot_be_set(name: str) -> None:
    """The channels and the list of unknown variables are no variables."""
    settings = read(**{name: "x"})

    assert settings.unknown_variables == (f"PUBLISHER_{name}",)
    assert settings.channels == {}


def test_the_documented_variables_are_all_known() -> None:
    """No variable of the settings table is taken for a misspelling."""
    values = {variable: str(getattr(read(), field)) for variable, field, _ in DEFAULTS}
    seconds = {name: str(v.total_seconds()) for name, f, v in DEFAULTS if isinstance(v, timedelta)}
    weights = {"PUBLISHER_LANE_WEIGHTS": "8/3/1"}

    assert read({**values, **seconds, **weights}).unknown_variables == ()


def test_the_backoff_is_the_one_that_is_set() -> None:
    """Channels without a backoff of their own take the service's (R9, R24)."""
    settings = read(ROUTE_BACKOFF_MIN="2", ROUTE_BACKOFF_MAX="8", ROUTE_BACKOFF_JITTER="yes")

    assert settings.backoff == Backoff(timedelta(seconds=2), timedelta(seconds=8), jitter=True)


@given(st.integers(1, 366 * 24 * 3600 * 1000).map(lambda n: timedelta(milliseconds=n)))
def test_all_timeouts_of_an_attempt_together_are_shorter_than_its_lease(lease: timedelta) -> None:
    """Claiming, appending twice and completing twice over new connections end before the lease does."""
    timeouts = Timeouts.within(lease)

    append, complete = 2 * timeouts.redis, timeouts.connect + timeouts.statement
    assert timeouts.statement + 2 * append + 2 * complete < lease
    assert min(timeouts.connect, timeouts.statement, timeouts.redis) > timedelta(0)


def test_the_timeouts_follow_the_lease_that_is_set() -> None:
    """A short lease makes short timeouts; a long one does not make anybody wait for minutes."""
    assert read(ROUTE_LEASE_TTL="4").timeouts.statement == timedelta(seconds=0.5)
    assert read(ROUTE_LEASE_TTL="3000").timeouts == Timeouts(*(timedelta(seconds=n) for n in (3, 7, 3)))


@pytest.mark.parametrize(("audit", "seconds"), [("600", 600), ("3570", 3570), ("3599", 3570), ("0", 0)])
def test_the_audit_never_looks_past_what_witnesses_cover(audit: str, seconds: int) -> None:
    """A route may be recorded a lease later than its command was appended: its witness expires earlier (R12a)."""
    assert read(AUDIT_WINDOW=audit).effective_audit_window == timedelta(seconds=seconds)
