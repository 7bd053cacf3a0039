"""The Redis client: its errors become ours, and its options are the settings'."""

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from redis import exceptions
from redis._parsers import BaseParser

from publisher.domain.errors import RedisRefused, RedisUnavailable, SettingsError
from publisher.streams.servers.connection import open_redis, translated
from tests.valkeys import OwnValkey

SECOND = timedelta(seconds=1)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Error 111 connecting"),
        exceptions.TimeoutError("Timeout reading from socket"),
        exceptions.AuthenticationError("invalid username-password pair"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.ClusterDownError("CLUSTERDOWN Hash slot not served"),
        exceptions.TryAgainError("TRYAGAIN Multiple keys request during rehashing of slot"),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.MaxConnectionsError("Too many connections"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_unavailability(error: redis.RedisError) -> None:
    """A server that cannot be reached, or cannot serve now, is unavailable: the same command may succeed later."""
    with pytest.raises(RedisUnavailable, match=r"^Redis is not available: ") as raised, translated():
        raise error

    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.NoPermissionError("this user has no permissions to run the 'xadd' command"),
        exceptions.DataError("Invalid input of type: 'NoneType'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_verdict_on_the_command_is_a_refusal(error: redis.RedisError) -> None:
    """A server that answers with an error has refused: the same command would fail again."""
    with pytest.raises(RedisRefused, match=r"^Redis refused: "), translated():
        raise error


@pytest.mark.parametrize(
    ("text", "message"),
    [("two\r\nlines \t of text", "Redis refused: two lines of text"), ("", "Redis refused: ResponseError")],
)
def test_an_error_is_one_line(text: str, message: str) -> None:
    """Whatever the server says becomes one line, and never an empty one."""
    with pytest.raises(RedisRefused) as raised, translated():
        raise exceptions.ResponseError(text)

    assert str(raised.value) == message


@pytest.mark.parametrize(
    "said",
    [
        *("MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381", "CROSSSLOT Keys don't hash to the same slot"),
        *("CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys request during rehashing of slot"),
        *("OOM command not allowed when used memory > 'maxmemory'.", "NOPERM this user has no permissions", "OOM"),
        *("READONLY You can't write against a read only replica.", "MASTERDOWN Link with MASTER is down"),
        *("MISCONF Errors writing to the AOF file", "LOADING Redis is loading the dataset in memory"),
        *("WRONGPASS invalid username-password pair", "NOAUTH Authentication required.", "EXECABORT discarded"),
        *("NOREPLICAS Not enough good replicas to write.", "NOSCRIPT No matching script", "NOGROUP No such key 'a'"),
        *("WRONGTYPE Operation against a key", "ERR unknown command 'XADD'", "ERR max number of clients reached"),
    ],
)
def test_a_message_has_the_first_word_that_redis_said(said: str) -> None:
    """An operator reads MOVED, OOM or NOPERM as Redis said it, and can look that word up."""
    with pytest.raises((RedisRefused, RedisUnavailable)) as raised, translated():
        raise BaseParser.parse_error(said)

    assert str(raised.value).partition(": ")[2] == said


@pytest.mark.parametrize(
    "said",
    [
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "NOREPLICAS Not enough good replicas to write.",
    ],
)
def test_what_a_failover_says_for_a_moment_is_an_outage(said: str) -> None:
    """It passes, and is told in few lines (R35)."""
    with pytest.raises(RedisUnavailable, match=said.partition(" ")[0]), translated():
        raise BaseParser.parse_error(said)


def test_a_refusal_in_a_pipeline_shows_no_command(own_client: redis.Redis) -> None:
    """What was to be written may hold an address: the message is what Redis said, and nothing else (R36)."""
    own_client.config_set("maxmemory", "1")
    pipe = own_client.pipeline(transaction=False)
    pipe.xadd("intents", {"to": "ann@example.com"})

    with pytest.raises(RedisRefused, match=r"^Redis refused: OOM command not allowed") as raised, translated():
        pipe.execute()

    assert "ann" not in str(raised.value)


def test_a_refusal_does_not_show_who_logged_in(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """The user's name is a part of the URL: of a missing right the command and the key are told (R36)."""
    own_client.acl_setuser("secret-ann", enabled=True, nopass=True, categories=["+@connection"])
    url = own_valkey.url.replace("://", "://secret-ann:x@")

    with (
        open_redis(url, timeout=SECOND, client_name="test") as client,
        pytest.raises(RedisRefused, match=r"^Redis refused: NOPERM .*'get'") as raised,
        translated(),
    ):
        client.get("key")

    assert "secret-ann" not in str(raised.value)


def test_other_errors_pass_as_they_are() -> None:
    """What does not come from Redis is not translated."""
    with pytest.raises(KeyError), translated():
        raise KeyError("ours")


def test_a_closed_port_is_unavailable() -> None:
    """A port on which nobody listens is unavailability."""
    with (
        open_redis("redis://127.0.0.1:1/0", timeout=SECOND, client_name="test") as client,
        pytest.raises(RedisUnavailable),
        translated(),
    ):
        client.ping()


def test_a_silent_server_is_given_up(silent_port: int) -> None:
    """A server that takes the connection and never answers is unavailable after the timeout, with no repetition."""
    url = f"redis://127.0.0.1:{silent_port}/0"
    with (
        open_redis(url, timeout=timedelta(milliseconds=50), client_name="test") as client,
        pytest.raises(RedisUnavailable, match=r"(?i)timeout"),
        translated(),
    ):
        client.ping()


def test_a_paused_server_is_given_up(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """A command that gets no answer in time is unavailability, not a wait without end."""
    with open_redis(own_valkey.url, timeout=timedelta(milliseconds=50), client_name="test") as client:
        client.ping()
        own_client.client_pause(60_000, all=True)
        with pytest.raises(RedisUnavailable, match=r"(?i)timeout"), translated():
            client.set("key", 1)


def test_a_lost_connection_is_not_repeated_behind_our_back(redis_client: redis.Redis, redis_url: str) -> None:
    """The client repeats no command by itself: whether to is each operation's own matter (R12)."""
    with open_redis(redis_url, timeout=SECOND, client_name="test") as client, client.client() as connection:
        own = connection.client_id()
        redis_client.client_kill_filter(_id=own)
        with pytest.raises(RedisUnavailable), translated():
            connection.lpush("list", 1)

    assert redis_client.llen("list") == 0


def test_the_client_is_named(redis_url: str) -> None:
    """An operator sees in CLIENT LIST whose connection it is."""
    with open_redis(redis_url, timeout=SECOND, client_name="publisher-worker") as client:
        assert client.client_getname() == b"publisher-worker" or client.client_getname() == "publisher-worker"


@pytest.mark.parametrize(
    ("tls", "requirement", "checks_name"),
    [("verify", ssl.CERT_REQUIRED, True), ("insecure", ssl.CERT_NONE, False)],
)
def test_a_certificate_is_verified_unless_told_not_to(tls: str, requirement: int, checks_name: bool) -> None:
    """rediss:// verifies the server's certificate and name; only `insecure` does not."""
    client = open_redis("rediss://redis.example:6380/0", timeout=SECOND, client_name="test", tls=tls)

    options = client.connection_pool.connection_kwargs
    assert options["ssl_cert_reqs"] == requirement
    assert options["ssl_check_hostname"] is checks_name
    assert "ssl_ca_certs" not in options


def test_a_private_authority_may_be_named(tmp_path: Path) -> None:
    """A CA file is trusted besides, and the certificate still verified."""
    ca_file = str(tmp_path / "ca.pem")

    client = open_redis("rediss://redis.example/0", timeout=SECOND, client_name="test", ca_file=ca_file)

    options = client.connection_pool.connection_kwargs
    assert (options["ssl_ca_certs"], options["ssl_cert_reqs"]) == (ca_file, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("url", ["redis://h/0", "rediss://h/0", "unix:///run/redis.sock"])
def test_every_wait_has_a_timeout(url: str) -> None:
    """Connecting and each answer are bounded, whatever the kind of URL."""
    client = open_redis(url, timeout=timedelta(seconds=2.5), client_name="test")

    options = client.connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (2.5, 2.5)


def test_tls_options_do_not_disturb_a_plain_url(redis_url: str) -> None:
    """TLS settings mean nothing to redis://."""
    with open_redis(redis_url, timeout=SECOND, client_name="test", tls="insecure", ca_file="/nowhere") as client:
        assert client.ping()


@pytest.mark.parametrize("url", ["http://h/0", "redis://h:port/0", "redis", "", "redis://user:pass/word@h/0"])
def test_a_url_that_redis_does_not_understand_is_a_setting_to_fix(url: str) -> None:
    """A bad URL names its variable, and is not printed: it may hold a password."""
    with pytest.raises(SettingsError, match="REDIS_URL") as raised:
        open_redis(url, timeout=SECOND, client_name="test")

    assert "word" not in str(raised.value)


def test_an_outage_that_the_server_tells_in_its_own_words_names_its_setting(redis_url: str) -> None:
    """A slot that moved away from a waiting reader, say: logs tell it of the Redis that said so, and of no other."""
    variable = "PUBLISHER_EMAIL_REDIS_URL"
    with (
        open_redis(redis_url, timeout=SECOND, client_name="test", variable=variable) as client,
        pytest.raises(RedisUnavailable) as raised,
        translated(),
    ):
        client.eval("return redis.error_reply('UNBLOCKED the stream key no longer exists')", 0)

    assert raised.value.variable == variable
