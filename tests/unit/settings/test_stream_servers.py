"""Each stream may have a Redis of its own: one server, a primary that Sentinels name, or a cluster (R37)."""

import pytest

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.errors import SettingsError
from publisher.settings.connection_url import read_redis_url, read_stream_redis_url
from publisher.settings.settings import Settings
from publisher.streams.servers.redis_url import read_url
from tests.unit.settings.environments import URLS

MAIL = "PUBLISHER_EMAIL_REDIS_URL"
OWN = "redis://ann:5ecret@mail.example:6379/0"


def read(variables: dict[str, str] | None = None) -> Settings:
    """The settings of an environment that is good but for these variables, with the built-in channels."""
    return Settings.from_environ({**URLS, **(variables or {})}, {"email": EMAIL, "push": PUSH})


def test_without_a_redis_of_its_own_a_stream_is_on_that_of_redis_url() -> None:
    """Nothing changes for who sets one URL."""
    settings = read()

    assert settings.stream_servers == {}
    assert settings.placed == {}
    assert settings.channels["email"].address == "mail:delivery_commands"


def test_each_stream_may_have_a_redis_of_its_own() -> None:
    """An address shows where it is, and never a password (R36)."""
    settings = read({MAIL: OWN, "PUBLISHER_INTENTS_REDIS_URL": "rediss://intents.example/1"})

    assert settings.channels["email"].address == "mail:delivery_commands @ redis://mail.example:6379/0"
    assert settings.channels["push"].address == "gateway:client_events"
    assert settings.placed == {"notification:intents": "rediss://intents.example/1"}
    assert settings.unknown_variables == ()
    assert "5ecret" not in repr(settings)


def test_the_redis_of_redis_url_is_no_redis_of_its_own() -> None:
    """Named twice, it is one server: its commands have the address that they had."""
    url = read().redis_url.text

    assert read({MAIL: url}).channels["email"].server == ""


def test_one_redis_has_one_login() -> None:
    """Two logins to one server would be two places that cannot be told apart."""
    with pytest.raises(SettingsError, match=f"PUBLISHER_PUSH_REDIS_URL and {MAIL} name one Redis") as raised:
        read({MAIL: OWN, "PUBLISHER_PUSH_REDIS_URL": OWN.replace("5ecret", "other")})

    assert "5ecret" not in str(raised.value)


@pytest.mark.parametrize(("kind", "rest"), [("cluster", ""), ("sentinel", "/mymaster")])
def test_a_login_before_the_second_host_is_refused(kind: str, rest: str) -> None:
    """The first host would be the user's name, and its port a piece of the password; a comma in a password is %2C."""
    with pytest.raises(SettingsError, match="has one login, before its first host") as raised:
        read_stream_redis_url(f"redis+{kind}://a.example:6379,ann:5ecret@b.example:6379{rest}", MAIL)

    assert "5ecret" not in str(raised.value)
    assert read_stream_redis_url(f"redis+{kind}://ann:5%2Cecret@a.example,b.example{rest}", MAIL).shown


def test_a_bad_url_names_its_variable() -> None:
    """With every other problem."""
    with pytest.raises(SettingsError, match=rf"PUBLISHER_BATCH_SIZE.*{MAIL} must be a URL "):
        read({MAIL: "http://x", "PUBLISHER_BATCH_SIZE": "0"})


def test_dramatiqs_queues_are_in_no_cluster() -> None:
    """REDIS_URL says what to set in its place."""
    with pytest.raises(SettingsError, match=r"REDIS_URL must not be a cluster.*PUBLISHER_EMAIL_REDIS_URL"):
        read({"REDIS_URL": "redis+cluster://a:6379,b:6379"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis+sentinel://ann:5ecret@s1:26379,s2/mymaster", "redis+sentinel://s1:26379,s2/mymaster/0"),
        ("rediss+sentinel://s1/my%20master/3?sentinel_password=5ecret", "rediss+sentinel://s1/my master/3"),
        ("redis+cluster://:5ecret@a:7000,b", "redis+cluster://a:7000,b"),
        ("rediss+cluster://a/0", "rediss+cluster://a"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_of_several_hosts_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """As any other one (R36)."""
    assert read_stream_redis_url(url, MAIL).shown == shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://s1:26379", "after a slash their primary"),
        ("redis+sentinel:///mymaster", "names the Sentinels"),
        ("redis+sentinel://s1/mymaster/x", "its database must be a number"),
        ("redis+sentinel://s1/mymaster?retry=1", "the option retry in it is not allowed"),
        ("redis+cluster://a:7000/1", "after its nodes nothing follows: a cluster has one database"),
        ("redis+cluster://", "names some of the cluster's nodes"),
        ("redis://a,b/0", "a primary that Sentinels name is .*/mymaster, and a cluster redis.cluster://host:6379"),
        ("redis+clutser://a:7000", "or redis.sentinel:// or .* or redis.cluster:// or rediss.cluster://"),
    ],
)
def test_a_url_of_several_hosts_that_cannot_be_read_says_why(url: str, told: str) -> None:
    """Before any server is asked."""
    with pytest.raises(SettingsError, match=told):
        read_stream_redis_url(url, MAIL)


def test_what_redis_url_may_begin_with_is_told_whole() -> None:
    """Sentinels are named with it, and a cluster is not: Dramatiq's queues need one server."""
    with pytest.raises(SettingsError) as raised:
        read_redis_url("redis-sentinel://s1/mymaster")

    told = "redis:// or rediss:// or unix:// or redis+sentinel:// or rediss+sentinel://"
    assert str(raised.value) == f"REDIS_URL must be a URL that begins with {told}"


def test_what_was_checked_is_read_for_the_driver() -> None:
    """Hosts without a port have the usual one, and each login is its own."""
    url = read_url(
        read_redis_url("rediss+sentinel://ann:p%40ss@s1,[::1]:5/main/2?sentinel_username=u&sentinel_password=w").text
    )

    assert url is not None
    assert (url.tls, url.hosts, url.primary, url.database) == (True, [("s1", 26379), ("::1", 5)], "main", 2)
    assert (url.username, url.password) == ("ann", "p@ss")
    assert (url.sentinel_username, url.sentinel_password) == ("u", "w")
    assert "p@ss" not in repr(url)


def test_the_nodes_of_a_cluster_are_no_sentinels() -> None:
    """They have no primary to name."""
    url = read_url("redis+cluster://:pw@a:7000,b")

    assert url is not None
    assert (url.primary, url.hosts, url.password) == (None, [("a", 7000), ("b", 6379)], "pw")
    assert read_url("redis://a:6379/0") is None
