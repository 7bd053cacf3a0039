"""The rules of settings: what a bad value is told, alone and beside others (R9, R12, R12a)."""

import pytest

from publisher.domain.errors import SettingsError
from publisher.settings.settings import Settings
from tests.unit.settings.environments import read

ABOVE_ZERO = ["ROUTE_LEASE_TTL", "ROUTE_BACKOFF_MIN", "ROUTE_BACKOFF_MAX", "DEDUP_WINDOW", "SCAN_INTERVAL"]
ZERO_OR_ABOVE = ["RETENTION", "KEY_RETENTION", "INTENTS_RETENTION", "RETRY_HORIZON", "AUDIT_WINDOW"]
NO_SECONDS = ["5s", "0x10", "1,5", "NaN", "sNaN", "Infinity", "-inf", "1e999999999", "31622401"]


def problems(**variables: str) -> str:
    """What is said of these variables."""
    with pytest.raises(SettingsError) as refused:
        read(**variables)
    return str(refused.value)


WEIGHTS = ("8", "8/3", "8/3/1/1", "8/3/0", "8/3/-1", "8/3/x", "8/3/1001", "8:3:1", "8/3/1.5", "8/3/10000000")


@pytest.mark.parametrize(
    ("variable", "text", "rule"),
    [
        *((name, text, "must be above 0 seconds") for name in ABOVE_ZERO for text in ("0", "-1", "0.0009")),
        *((name, text, "must be 0 seconds or more") for name in ZERO_OR_ABOVE for text in ("-1", "-0.001")),
        *((name, "soon", "must be a number of seconds") for name in ABOVE_ZERO + ZERO_OR_ABOVE),
        *(("RETRY_HORIZON", text, "must be a number of seconds") for text in NO_SECONDS),
        ("ROUTE_BACKOFF_JITTER", "maybe", "must be a valid boolean"),
        ("BATCH_SIZE", "0", "must be greater than or equal to 1"),
        ("BATCH_SIZE", "1001", "must be less than or equal to 1000"),
        ("BATCH_SIZE", "many", "must be a valid integer"),
        ("BATCH_SIZE", "1.5", "must be a valid integer"),
        *(
            ("LANE_WEIGHTS", text, "must be the weights of urgent, normal, bulk, each from 1 to 1000")
            for text in WEIGHTS
        ),
        *((name, "a\nb", "control characters") for name in ("INTENTS_STREAM", "INTENTS_GROUP")),
        # What os.environ makes of a byte that is not UTF-8.
        ("INTENTS_STREAM", "caf\udce9", "UTF-8"),
        ("LOG_FORMAT", "xml", "must be 'auto', 'json' or 'console'"),
        ("LOG_LEVEL", "LOUD", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_ADDRESSES", "none", "must be 'masked' or 'full'"),
        ("METRICS_PORT", "-1", "must be greater than or equal to 0"),
        ("METRICS_PORT", "65536", "must be less than or equal to 65535"),
        ("REDIS_TLS", "off", "must be 'verify' or 'insecure'"),
        ("REDIS_CA_FILE", "/no/such/file.pem", "no such file"),
    ],
)
def test_a_bad_value_is_told_with_its_rule(variable: str, text: str, rule: str) -> None:
    """One line names the variable, the rule and what stood there."""
    message = problems(**{variable: text})

    assert f"PUBLISHER_{variable}: " in message
    assert rule in message
    assert repr(text) in message
    assert message.isprintable()


def test_every_problem_is_told_at_once() -> None:
    """Whoever sets up a deployment fixes everything in one round."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(
            {
                "DATABASE_URL": "mysql://db",
                "PUBLISHER_BATCH_SIZE": "0",
                "PUBLISHER_SCAN_INTERVAL": "soon",
                "PUBLISHER_AUDIT_WINDOW": "7200",
            },
            {},
        )

    message = str(refused.value)
    assert "\n" not in message
    for variable in ("DATABASE_URL", "REDIS_URL", "BATCH_SIZE", "SCAN_INTERVAL", "AUDIT_WINDOW"):
        assert variable in message


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"ROUTE_BACKOFF_MIN": "10", "ROUTE_BACKOFF_MAX": "9.999"}, "ROUTE_BACKOFF_MIN must be at most"),
        ({"ROUTE_BACKOFF_MIN": "1801"}, "ROUTE_BACKOFF_MIN must be at most"),
        (
            {"DEDUP_WINDOW": "35", "AUDIT_WINDOW": "0"},
            "longer than PUBLISHER_ROUTE_LEASE_TTL + PUBLISHER_SCAN_INTERVAL",
        ),
        ({"ROUTE_LEASE_TTL": "3595"}, "longer than PUBLISHER_ROUTE_LEASE_TTL + PUBLISHER_SCAN_INTERVAL"),
        ({"SCAN_INTERVAL": "3570"}, "longer than PUBLISHER_ROUTE_LEASE_TTL + PUBLISHER_SCAN_INTERVAL"),
        ({"AUDIT_WINDOW": "3600"}, "DEDUP_WINDOW must be longer than PUBLISHER_AUDIT_WINDOW"),
        ({"DEDUP_WINDOW": "600"}, "DEDUP_WINDOW must be longer than PUBLISHER_AUDIT_WINDOW"),
        ({"RETENTION": "3600"}, "RETENTION must be 0 or longer than PUBLISHER_DEDUP_WINDOW"),
        ({"DEDUP_WINDOW": "2592000"}, "RETENTION must be 0 or longer than PUBLISHER_DEDUP_WINDOW"),
    ],
)
def test_variables_must_fit_each_other(variables: dict[str, str], rule: str) -> None:
    """Rules between variables hold against defaults too (R9, R12, R12a)."""
    assert rule in problems(**variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"ROUTE_BACKOFF_MIN": "10", "ROUTE_BACKOFF_MAX": "10"},
        {"DEDUP_WINDOW": "35.001", "AUDIT_WINDOW": "0"},
        {"AUDIT_WINDOW": "3599.999"},
        {"RETENTION": "3600.001"},
        {"RETENTION": "0"},
    ],
)
def test_variables_may_just_fit(variables: dict[str, str]) -> None:
    """Just inside those rules is inside (R9, R12, R12a)."""
    assert isinstance(read(**variables), Settings)


@pytest.mark.parametrize(
    ("wrong", "misfit"),
    [
        ("ROUTE_BACKOFF_MIN", {"ROUTE_BACKOFF_MAX": "0.5"}),
        ("ROUTE_BACKOFF_MAX", {"ROUTE_BACKOFF_MIN": "1801"}),
        ("DEDUP_WINDOW", {"ROUTE_LEASE_TTL": "4000", "AUDIT_WINDOW": "4000"}),
        ("ROUTE_LEASE_TTL", {"SCAN_INTERVAL": "4000"}),
        ("SCAN_INTERVAL", {"ROUTE_LEASE_TTL": "4000"}),
        ("AUDIT_WINDOW", {"DEDUP_WINDOW": "600"}),
    ],
)
def test_a_rule_between_variables_is_silent_while_one_of_them_is_wrong(wrong: str, misfit: dict[str, str]) -> None:
    """A value that cannot be read breaks no second rule: one fault, one message."""
    message = problems(**{wrong: "soon"}, **misfit)

    assert message.count("must be") == 1
    assert "longer than" not in message
