"""The proxy does to a connection what its method says, and nothing else."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta

import psycopg2
import pytest
import redis

from publisher.streams.servers.connection import open_redis
from tests.conftest import connected
from tests.faults.proxied_connection import Loss
from tests.faults.proxy import Proxy
from tests.waiting import wait_until

pytestmark = pytest.mark.stray_keys("its commands are not the service's")
PATIENCE = timedelta(milliseconds=300)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A proxy before Valkey."""
    with closing(Proxy(("127.0.0.1", redis.connection.parse_url(redis_url)["port"]))) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    """An impatient client behind the proxy, connected."""
    with open_redis(f"redis://127.0.0.1:{proxy.port}/0", timeout=PATIENCE, client_name="far") as client:
        client.set("count", 0)
        yield client


def test_everything_passes_at_first(client: redis.Redis) -> None:
    """A proxy that was told nothing changes nothing, however much it carries."""
    value = random.Random(1).randbytes(8 * 1024 * 1024)
    client.set("large", value)
    assert client.get("large") == value


def test_a_stalled_connection_stays_open_and_silent(proxy: Proxy, client: redis.Redis) -> None:
    """While it stalls nothing is forwarded and nothing ends, on old connections and new ones."""
    assert proxy.stall() == 1
    for _ in range(2):
        with pytest.raises(redis.ConnectionError, match="timeout"):
            client.ping()


def test_what_was_stalled_arrives_late(proxy: Proxy, client: redis.Redis, redis_client: redis.Redis) -> None:
    """A request that its sender has given up is done all the same, once the network is back."""
    proxy.stall()
    with pytest.raises(redis.ConnectionError, match="timeout"):
        client.incr("count")
    assert redis_client.get("count") == b"0"

    proxy.resume()

    wait_until(lambda: redis_client.get("count") == b"1")


def test_of_a_black_hole_only_those_inside_know(proxy: Proxy, client: redis.Redis) -> None:
    """Connections that are swallowed are silent; a new one passes."""
    assert proxy.black_hole(1.0, random.Random(1)) == 1
    with pytest.raises(redis.ConnectionError, match="timeout"):
        client.ping()
    assert client.ping()


def test_a_swallowed_request_is_not_done_and_its_connection_is_silent(
    proxy: Proxy, client: redis.Redis, redis_client: redis.Redis
) -> None:
    """It comes as far as the proxy, which may throw it away for good; other requests pass."""
    proxy.swallow(b"INCR", b"count")
    assert client.ping()
    with pytest.raises(redis.ConnectionError, match="timeout"):
        client.incr("count")
    assert proxy.cut_held() == 1
    proxy.resume()
    assert client.incr("count") == 1


def test_a_cut_connection_is_reset(proxy: Proxy, client: redis.Redis) -> None:
    """A client that waits sees an error at once, and its next connection passes."""
    cutting = threading.Timer(0.05, proxy.cut)
    cutting.start()

    with pytest.raises(redis.ConnectionError):
        client.blpop(["never"], timeout=0.2)

    cutting.join()
    assert client.ping()


def test_refused_connections_are_refused_until_it_is_over(proxy: Proxy, client: redis.Redis) -> None:
    """Nothing listens while it refuses; then the same port does again."""
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()
    proxy.resume()
    assert client.ping()


def test_a_delay_holds_for_each_way(proxy: Proxy, client: redis.Redis) -> None:
    """A request and its reply each come so much later, and whole."""
    proxy.delay(0.05)
    start = time.monotonic()
    assert client.ping()
    assert time.monotonic() - start >= 0.1


def test_latency_is_there_from_the_beginning_and_after_every_fault(redis_url: str) -> None:
    """A proxy with a latency has it whenever nothing worse is on."""
    with closing(Proxy(("127.0.0.1", redis.connection.parse_url(redis_url)["port"]), latency=0.02)) as slow:
        slow.delay(0.0)
        slow.resume()
        with open_redis(f"redis://127.0.0.1:{slow.port}/0", timeout=PATIENCE, client_name="far") as client:
            start = time.monotonic()
            assert client.ping()
            assert time.monotonic() - start >= 0.04


def test_a_request_whose_reply_is_lost_was_done(proxy: Proxy, client: redis.Redis, redis_client: redis.Redis) -> None:
    """The request is forwarded and done; instead of its reply the connection ends. It happens once."""
    loss = Loss((b"INCR", b"count"))
    proxy.lose(loss)
    assert client.ping()

    with pytest.raises(redis.ConnectionError):
        client.incr("count")

    assert loss.happened.is_set()
    assert redis_client.get("count") == b"1"
    assert client.incr("count") == 2


@pytest.mark.parametrize("request_", [lambda c: c.get("nothing"), lambda c: c.lpush("count", 1)], ids=["nil", "error"])
def test_a_reply_that_was_not_meant_is_passed_on(
    proxy: Proxy, client: redis.Redis, request_: Callable[[redis.Redis], object]
) -> None:
    """A loss waits for a reply worth losing: not an error, nor what its rule leaves out."""
    loss = Loss((b"\r\n",), lambda reply: not reply.startswith((b"-", b"$-1")))
    proxy.lose(loss)
    with suppress(redis.ResponseError):
        request_(client)
    assert not loss.happened.is_set()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    assert loss.happened.is_set()


def test_a_loss_waits_on_when_its_connection_ends(proxy: Proxy, client: redis.Redis) -> None:
    """A loss whose connection was cut before the reply hits the next such request."""
    loss = Loss((b"BLPOP",))
    proxy.lose(loss)
    cutting = threading.Timer(0.05, proxy.cut)
    cutting.start()

    with pytest.raises(redis.ConnectionError):
        client.blpop(["never"], timeout=0.2)

    cutting.join()
    assert not loss.happened.is_set()
    with pytest.raises(redis.ConnectionError):
        client.blpop(["never"], timeout=0.01)
    assert loss.happened.is_set()


def test_a_commit_whose_reply_is_lost_was_done(database_url: str) -> None:
    """PostgreSQL too: the transaction is committed, and its client does not know."""
    with connected(database_url) as near:
        near.cursor().execute("CREATE TABLE done (id int)")
        server = (
            f"{near.info.host}/.s.PGSQL.{near.info.port}"
            if near.info.host[0] == "/"
            else (near.info.host, near.info.port)
        )
        with closing(Proxy(server)) as proxy:
            proxy.lose(Loss((b"COMMIT",)))
            far = psycopg2.connect(database_url, host="127.0.0.1", port=proxy.port)
            with closing(far), far.cursor() as cursor:
                cursor.execute("INSERT INTO done VALUES (1)")
                with pytest.raises(psycopg2.OperationalError):
                    far.commit()
        with near.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM done")
            assert cursor.fetchone() == (1,)
