"""The settings of the page: where it listens, and whose tokens let somebody in (R36)."""

from collections.abc import Mapping

import pytest

from publisher.domain.errors import SettingsError
from tests.unit.settings.environments import read

READ, OPERATE, METRICS = "read-token-of-a-test", "operate-token-of-a-test", "metrics-token-of-a-test"
TOKENS = {"WEB_READ_TOKEN": READ, "WEB_OPERATE_TOKEN": OPERATE}


def test_a_platforms_port_holds_where_ours_is_not_set() -> None:
    """PORT is what Heroku and others set; PUBLISHER_WEB_PORT says it for good."""
    assert read().web.url == "http://127.0.0.1:8000"
    assert read({"PORT": "5000"}).web.port == 5000
    assert read({"PORT": "5000"}, WEB_PORT="5001").web.port == 5001
    assert read({"PORT": " "}, WEB_HOST="::1").web.url == "http://[::1]:8000"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PORT": "http"}, "PORT: must be a valid integer, unable to parse string as an integer, got 'http'"),
        ({"PUBLISHER_WEB_PORT": "65536"}, "PUBLISHER_WEB_PORT: must be less than or equal to 65535, got '65536'"),
        ({"PUBLISHER_WEB_READ_TOKEN": "hush-5ecret"}, "PUBLISHER_WEB_READ_TOKEN: must have at least 16 letters"),
        ({"PUBLISHER_WEB_OPERATE_TOKEN": "hush-5ecret with blanks"}, "PUBLISHER_WEB_OPERATE_TOKEN: must have at"),
    ],
)
def test_a_bad_value_is_named_and_a_token_never_shown(environ: Mapping[str, str], said: str) -> None:
    """The error names the variable and the rule, and holds no part of a secret (R36)."""
    with pytest.raises(SettingsError) as raised:
        read(environ)
    assert said in str(raised.value)
    assert "hush" not in str(raised.value)


def test_no_token_stands_where_settings_are_shown() -> None:
    """Whoever prints the settings, or logs them, shows no token (R36)."""
    shown = repr(read(**TOKENS, WEB_METRICS_TOKEN=METRICS))
    assert "token-of-a-test" not in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_no_token_is_needed(host: str) -> None:
    """A laptop needs no more than the command."""
    read(WEB_HOST=host).web.check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.com"])  # noqa: S104 - refused
@pytest.mark.parametrize(
    ("tokens", "missing"),
    [
        ({}, "PUBLISHER_WEB_READ_TOKEN and PUBLISHER_WEB_OPERATE_TOKEN"),
        ({"WEB_READ_TOKEN": READ}, "set PUBLISHER_WEB_OPERATE_TOKEN as well"),
        ({"WEB_OPERATE_TOKEN": OPERATE}, "set PUBLISHER_WEB_READ_TOKEN as well"),
    ],
)
def test_what_others_reach_needs_both_tokens(host: str, tokens: Mapping[str, str], missing: str) -> None:
    """Both are named that are missing, and the way back to this machine alone."""
    with pytest.raises(SettingsError, match="others reach") as raised:
        read(WEB_HOST=host, **tokens).web.check()
    assert missing in str(raised.value)
    read(WEB_HOST=host, **TOKENS).web.check()
