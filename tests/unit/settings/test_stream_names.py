"""A name under which a stream would be taken for another ends every process at its start (R37)."""

import pytest

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.errors import SettingsError
from publisher.settings.settings import Settings
from tests.unit.settings.environments import URLS

CLUSTER = "redis+cluster://node.example:6379"


def read(variables: dict[str, str]) -> Settings:
    """The settings of an environment that is good but for these variables, with the built-in channels."""
    return Settings.from_environ({**URLS, **variables}, {"email": EMAIL, "push": PUSH})


@pytest.mark.parametrize("name", ["mail @ home", "mail:{0..3}", "mail:{0..0}"])
@pytest.mark.parametrize("of", ["EMAIL", "INTENTS", "EVENTS"])
def test_a_stream_is_not_named_as_an_address_of_another(of: str, name: str) -> None:
    """Its commands would go to `mail`, where nobody reads."""
    with pytest.raises(SettingsError, match=f"PUBLISHER_{of}_STREAM: must not read as the address"):
        read({f"PUBLISHER_{of}_STREAM": name})


@pytest.mark.parametrize("url", ["unix:///run/a%20%40%20b.sock", "redis+sentinel://host/my%20%40%20master"])
def test_a_redis_does_not_break_the_address_of_its_streams(url: str) -> None:
    """Taken apart, it would name another stream, on the Redis of REDIS_URL."""
    with pytest.raises(SettingsError, match="PUBLISHER_EMAIL_REDIS_URL must have no ' @ '"):
        read({"PUBLISHER_EMAIL_REDIS_URL": url})


@pytest.mark.parametrize("of", ["EMAIL", "INTENTS"])
def test_a_stream_in_partitions_has_no_hash_tag_of_its_own(of: str) -> None:
    """All its partitions would have one slot, and so one node of a cluster."""
    tagged = {f"PUBLISHER_{of}_STREAM": "{tenant}:mail"}
    read(tagged)

    with pytest.raises(SettingsError, match=rf"PUBLISHER_{of}_STREAM: must have no {{ where it has partitions"):
        read({**tagged, f"PUBLISHER_{of}_PARTITIONS": "2"})


@pytest.mark.parametrize("name", ["a}b", "a{}b", "}a{b"])
def test_a_stream_in_a_cluster_shares_its_slot_with_its_witnesses(name: str) -> None:
    """A brace that opens no hash tag would part them, and every append be refused."""
    named = {"PUBLISHER_EMAIL_STREAM": name}
    read(named)

    with pytest.raises(SettingsError, match="PUBLISHER_EMAIL_STREAM: must have no }"):
        read({**named, "PUBLISHER_EMAIL_REDIS_URL": CLUSTER})


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PUBLISHER_PUSH_STREAM": "notification:intents"}, "PUSH_STREAM and PUBLISHER_INTENTS"),
        ({"PUBLISHER_PUSH_STREAM": "notification:intents:{1}", "PUBLISHER_INTENTS_PARTITIONS": "2"}, "PUSH_STREAM and"),
        ({"PUBLISHER_EMAIL_STREAM": "notification:delivery_events"}, "EMAIL_STREAM and PUBLISHER_EVENTS"),
        ({"PUBLISHER_EVENTS_STREAM": "notification:intents"}, "EVENTS_STREAM and PUBLISHER_INTENTS"),
    ],
)
def test_intents_events_and_commands_do_not_share_a_stream(variables: dict[str, str], named: str) -> None:
    """Each would be read as what it is not. Two channels may share one."""
    read({"PUBLISHER_EMAIL_STREAM": "shared", "PUBLISHER_PUSH_STREAM": "shared"})

    with pytest.raises(SettingsError, match=f"PUBLISHER_{named}.* must not name one stream"):
        read(variables)
