"""What the environment says of a channel (R24)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.channels.email import EMAIL
from publisher.domain.channel import Channel, StreamTrim
from publisher.domain.errors import SettingsError
from publisher.settings.channels import ChannelSettings
from publisher.settings.settings import Settings
from tests import factories

URLS = {"DATABASE_URL": "postgresql://publisher@db/publisher", "REDIS_URL": "redis://redis:6379/0"}
SMS = Channel(name="my-sms", stream="sms:out", encode=EMAIL.encode, max_attempts=3, stream_ceiling=50)
CHANNELS = {**factories.CHANNELS, "my-sms": SMS}


def read(channels: Mapping[str, Channel] = CHANNELS, **variables: str) -> Settings:
    """The settings with these variables, named without their prefix."""
    return Settings.from_environ({**URLS, **{f"PUBLISHER_{name}": v for name, v in variables.items()}}, channels)


@pytest.mark.parametrize(
    ("channel", "stream", "max_attempts", "stream_ceiling"),
    [
        ("email", "mail:delivery_commands", 16, 100_000),
        ("push", "gateway:client_events", 6, 100_000),
        ("my-sms", "sms:out", 3, 50),
    ],
)
def test_a_channel_is_as_it_came_unless_a_variable_says_else(
    channel: str, stream: str, max_attempts: int, stream_ceiling: int
) -> None:
    """The defaults of a channel are its own, a third party's too."""
    configured = read().channels[channel]

    assert (configured.stream, configured.max_attempts, configured.stream_ceiling) == (
        stream,
        max_attempts,
        stream_ceiling,
    )
    assert (configured.stream_retention, configured.stream_trim) == (timedelta(days=1), StreamTrim.ACKNOWLEDGED)


@pytest.mark.parametrize(("channel", "prefix"), [("email", "EMAIL"), ("push", "PUSH"), ("my-sms", "MY_SMS")])
def test_variables_adjust_one_channel(channel: str, prefix: str) -> None:
    """Stream, attempts and what bounds the stream can be set for each channel, and touch no other."""
    variables = {"STREAM": "elsewhere", "MAX_ATTEMPTS": "1", "STREAM_CEILING": "0"}
    bounds = {"STREAM_RETENTION": "1.5", "STREAM_TRIM": "Length"}
    settings = read(**{f"{prefix}_{name}": value for name, value in (variables | bounds).items()})

    adjusted = settings.channels[channel]
    assert (adjusted.stream, adjusted.max_attempts, adjusted.stream_ceiling) == ("elsewhere", 1, 0)
    assert (adjusted.stream_retention, adjusted.stream_trim) == (timedelta(seconds=1.5), StreamTrim.LENGTH)
    assert adjusted.encode is CHANNELS[channel].encode
    assert {name for name in CHANNELS if settings.channels[name] != CHANNELS[name]} == {channel}
    assert (settings.unknown_variables, settings.renamed_variables) == ((), {})


@pytest.mark.parametrize(
    ("variables", "ceiling"),
    [({"PUSH_STREAM_MAX_LEN": "50"}, 50), ({"PUSH_STREAM_MAX_LEN": "50", "PUSH_STREAM_CEILING": "7"}, 7)],
)
def test_the_old_name_of_the_ceiling_is_understood(variables: dict[str, str], ceiling: int) -> None:
    """A deploy that still sets the length of earlier releases gets it as the ceiling; the new name wins (R13)."""
    settings = read(**variables)

    assert settings.channels["push"].stream_ceiling == ceiling
    assert settings.channels["email"].stream_ceiling == 100_000
    assert settings.unknown_variables == ()
    assert settings.renamed_variables == {"PUBLISHER_PUSH_STREAM_MAX_LEN": "PUBLISHER_PUSH_STREAM_CEILING"}


@pytest.mark.parametrize("blank", ["", " \t\n"])
@pytest.mark.parametrize(("channel", "prefix"), [("email", "EMAIL"), ("push", "PUSH"), ("my-sms", "MY_SMS")])
def test_a_blank_variable_leaves_the_channel_as_it_came(channel: str, prefix: str, blank: str) -> None:
    """`${VAR:-}` in a compose file sets a channel's variable to nothing: its default holds."""
    variables = ChannelSettings.variables(CHANNELS[channel])
    assert all(variable.startswith(f"PUBLISHER_{prefix}_") for variable in variables)

    settings = Settings.from_environ({**URLS, **dict.fromkeys(variables, blank)}, CHANNELS)

    assert settings.channels[channel] == CHANNELS[channel]
    assert settings.unknown_variables == ()


@pytest.mark.parametrize(
    ("variable", "text", "rule"),
    [
        ("PUSH_STREAM", "a\rb", "must hold no control characters"),
        ("EMAIL_MAX_ATTEMPTS", "0", "must be greater than or equal to 1"),
        ("PUSH_MAX_ATTEMPTS", "-1", "must be greater than or equal to 1"),
        ("PUSH_MAX_ATTEMPTS", "few", "must be a valid integer"),
        ("PUSH_STREAM_CEILING", "-1", "must be greater than or equal to 0"),
        ("PUSH_STREAM_RETENTION", "-1", "must be 0 seconds or more"),
        ("PUSH_STREAM_RETENTION", "a day", "must be a number of seconds"),
        ("EMAIL_STREAM_TRIM", "always", "must be 'acknowledged', 'length' or 'never'"),
        ("PUSH_STREAM_MAX_LEN", "-1", "must be greater than or equal to 0"),
        ("MY_SMS_STREAM_MAX_LEN", "1.5", "must be a valid integer"),
    ],
)
def test_a_bad_value_is_told_with_its_rule(variable: str, text: str, rule: str) -> None:
    """The message names the variable and the rule."""
    with pytest.raises(SettingsError) as refused:
        read(**{variable: text})

    assert f"PUBLISHER_{variable}: {rule}" in str(refused.value)


def test_problems_of_several_channels_are_told_at_once() -> None:
    """Channels' problems stand in the same message as all others."""
    with pytest.raises(SettingsError) as refused:
        read(EMAIL_STREAM="a\nb", EMAIL_MAX_ATTEMPTS="0", PUSH_MAX_ATTEMPTS="0", BATCH_SIZE="0")

    for variable in ("EMAIL_STREAM", "EMAIL_MAX_ATTEMPTS", "PUSH_MAX_ATTEMPTS", "BATCH_SIZE"):
        assert f"PUBLISHER_{variable}: " in str(refused.value)


def test_a_channel_that_is_not_installed_has_no_variables() -> None:
    """A variable for a channel that is gone is reported as unknown, and stops nothing."""
    settings = read(factories.CHANNELS, MY_SMS_STREAM="sms:out")

    assert settings.unknown_variables == ("PUBLISHER_MY_SMS_STREAM",)


@pytest.mark.parametrize(
    ("names", "variable"), [(["intents"], "PUBLISHER_INTENTS_STREAM"), (["a-b", "a_b"], "PUBLISHER_A_B_STREAM")]
)
def test_no_variable_means_two_things(names: list[str], variable: str) -> None:
    """A channel whose variables belong to something else is refused by name (R24)."""
    channels = {name: replace(SMS, name=name) for name in names}

    with pytest.raises(SettingsError, match=f"{names[-1]}.*{variable}"):
        Settings.from_environ(URLS, channels)
