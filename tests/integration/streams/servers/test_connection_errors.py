"""Why Redis cannot be reached: host, port, TLS mode, cause and remedy, each against a server that causes it (R36)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.streams.servers.cluster import Cluster
from publisher.streams.servers.connection import open_node, open_redis, translated
from publisher.streams.servers.redis_url import read_url
from tests.processes import free_port
from tests.tls_fronts import Authority, front
from tests.valkeys import OwnValkey

PATIENCE = timedelta(seconds=5)
BRIEFLY = timedelta(milliseconds=200)


def said(url: str, timeout: timedelta = PATIENCE, **tls: str) -> str:
    """The error of a first command over a new connection."""
    with (
        open_redis(url, timeout=timeout, client_name="test", **tls) as client,
        pytest.raises(PublisherError) as raised,
        translated(),
    ):
        client.ping()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Runs a server that sends this answer to the first bytes of each client, and closes. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority that no machine knows."""
    return Authority(tmp_path)


@pytest.fixture
def place(redis_url: str) -> tuple[str, int]:
    """Where the session's Redis listens."""
    parts = urlsplit(redis_url)
    assert parts.hostname
    return parts.hostname, parts.port or 6379


def test_a_port_without_a_server_is_named() -> None:
    """The host, the port, and that TLS was not used; the user and the password are not named."""
    port = free_port()

    assert said(f"redis://ann:hush-5ecret@127.0.0.1:{port}/0") == (
        f"Redis is not available: connection refused (127.0.0.1:{port}, no TLS):"
        " see that Redis runs there, or correct REDIS_URL"
    )


def test_an_unknown_host_name_is_named() -> None:
    """A name that no name server knows."""
    error = said("redis://no-such-host.invalid:6379/0")

    assert "the host name is unknown (no-such-host.invalid:6379, no TLS): correct it in REDIS_URL" in error


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path stands in the place of host and port."""
    assert f"no such file or directory ({tmp_path}/redis.sock, Unix socket)" in said(f"unix://{tmp_path}/redis.sock")


def test_tls_to_a_plain_port_is_named(place: tuple[str, int]) -> None:
    """Redis waits for the rest of what it takes for a command: the handshake gets no answer."""
    error = said(f"rediss://{place[0]}:{place[1]}/0", BRIEFLY)

    assert f"no answer to the TLS handshake within 0.2 s ({place[0]}:{place[1]}, TLS, certificate verified)" in error
    assert "write redis:// in the place of rediss:// in REDIS_URL" in error


def test_no_tls_to_a_port_of_tls_is_named(place: tuple[str, int], authority: Authority) -> None:
    """The server answers with a TLS alert or closes, and the remedy is rediss://."""
    with front(place, authority.context("127.0.0.1")) as port:
        error = said(f"redis://127.0.0.1:{port}/0")

    assert f"(127.0.0.1:{port}, no TLS)" in error
    assert "write rediss:// in the place of redis:// in REDIS_URL" in error


def test_a_tls_alert_is_told_from_silence() -> None:
    """An alert says for sure that the port speaks TLS."""
    with answering(bytes.fromhex("15030100020246")) as port:
        error = said(f"redis://127.0.0.1:{port}/0")

    assert "the server speaks TLS on this port, and REDIS_URL asks for none" in error


def test_an_authority_that_is_not_known_is_named(place: tuple[str, int], authority: Authority) -> None:
    """The two variables that help are named, and both help."""
    with front(place, authority.context("127.0.0.1")) as port:
        url = f"rediss://127.0.0.1:{port}/0"
        error = said(url)
        for mended in ({"ca_file": str(authority.file)}, {"tls": "insecure"}):
            with open_redis(url, timeout=PATIENCE, client_name="test", **mended) as client:
                assert client.ping()

    assert "the certificate of Redis is not trusted: " in error
    assert "PUBLISHER_REDIS_CA_FILE, or set PUBLISHER_REDIS_TLS=insecure" in error


def test_a_certificate_for_another_name_is_named(place: tuple[str, int], authority: Authority) -> None:
    """A certificate that is trusted and not this host's."""
    with front(place, authority.context("redis.example")) as port:
        error = said(f"rediss://127.0.0.1:{port}/0", ca_file=str(authority.file))

    assert "the certificate of Redis is for another name: " in error
    assert "write the name that its certificate holds into REDIS_URL" in error


@pytest.mark.parametrize(
    ("scheme", "cause"),
    [
        ("redis", "a web server answers on this port, and not Redis"),
        ("rediss", "the server does not speak TLS on this port"),
    ],
)
def test_a_web_server_is_recognised(scheme: str, cause: str) -> None:
    """Its port as that of Redis, with and without TLS."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        error = said(f"{scheme}://127.0.0.1:{server.server_port}/0")
        server.shutdown()

    assert f"Redis is not available: {cause} (127.0.0.1:{server.server_port}" in error


def test_the_port_of_postgresql_is_no_port_of_redis(database_url: str) -> None:
    """PostgreSQL closes a connection that begins with a command of Redis."""
    folder = urlsplit(database_url).query.partition("host=")[2].replace("%2F", "/")
    with front(f"{folder}/.s.PGSQL.5432", None) as port:
        error = said(f"redis://127.0.0.1:{port}/0")

    assert f"the server closed the connection without an answer (127.0.0.1:{port}, no TLS)" in error
    assert "see that it is the port of Redis, and not of another server" in error


def test_a_server_that_takes_connections_and_is_silent_is_named() -> None:
    """It is told from a host that does not take the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        error = said(f"redis://127.0.0.1:{port}/0", BRIEFLY)

    assert f"the server took the connection and did not answer within 0.2 s (127.0.0.1:{port}, no TLS)" in error


def test_a_wrong_password_is_named(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """Redis' own word comes first, and neither the user nor the password is shown."""
    own_client.acl_setuser("ann", enabled=True, passwords=["+right"], categories=["+@all"])

    error = said(own_valkey.url.replace("://", "://ann:hush-5ecret@"))

    assert error.startswith("Redis is not available: WRONGPASS invalid username-password pair")
    assert "correct the user name and password in REDIS_URL" in error
    assert "5ecret" not in error
    assert "ann" not in error


def test_a_missing_password_is_named(own_valkey: OwnValkey, own_client: redis.Redis) -> None:
    """The server demands a password, and the URL has none."""
    own_client.config_set("requirepass", "right")

    assert "NOAUTH Redis demands a password, and REDIS_URL has none (127.0.0.1:" in said(own_valkey.url)


def test_a_password_that_redis_does_not_have_is_named(redis_url: str) -> None:
    """The URL has a password, and the server none."""
    error = said(redis_url.replace("://", "://:hush-5ecret@"))

    assert "Redis has no password, and REDIS_URL has one" in error
    assert "5ecret" not in error


def test_a_database_number_that_redis_does_not_have_is_a_refusal(redis_url: str) -> None:
    """The number is a part of the URL."""
    error = said(f"{redis_url.rpartition('/')[0]}/99")

    assert error.startswith("Redis refused: DB index is out of range (")
    assert "lower the database number at the end of REDIS_URL" in error


def test_a_connection_that_broke_is_named(own_valkey: OwnValkey) -> None:
    """An error of an established connection names the server as well."""
    with open_redis(own_valkey.url, timeout=PATIENCE, client_name="test") as client, client.client() as connection:
        connection.ping()
        own_valkey.stop()
        with pytest.raises(RedisUnavailable, match=r"\(127\.0\.0\.1:\d+, no TLS\)"), translated():
            connection.ping()


def test_a_server_that_is_no_cluster_is_told(redis_client: redis.Redis) -> None:
    """With the variable that takes it for one."""
    at = redis_client.connection_pool.connection_kwargs
    url = read_url(f"redis+cluster://{at['host']}:{at['port']}")
    assert url is not None
    alone = Cluster(
        url.hosts,
        lambda node, *_: open_node(url, *node, timeout=timedelta(seconds=2), client_name="test"),
        "PUBLISHER_PUSH_REDIS_URL",
    )
    with (
        closing(alone),
        pytest.raises(RedisRefused, match=r"cluster support disabled \(.*, of PUBLISHER_PUSH_REDIS_URL"),
    ):
        alone.of("commands")
