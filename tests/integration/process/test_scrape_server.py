"""Whoever connects where metrics are served costs the process a bounded number of threads, for a bounded time (R25)."""

import gzip
import http.client
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing

import prometheus_client
import pytest

from publisher.process import scrape_server
from publisher.process.scrape_server import AT_ONCE, ScrapeServer
from tests.waiting import wait_until


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server hardly waits."""
    monkeypatch.setattr(scrape_server._Handler, "timeout", 0.01)


@pytest.fixture
def port() -> Iterator[int]:
    """Where a counter is served."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("tries", "Tries.", registry=registry).inc()
    server = ScrapeServer(0, registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def scraped(port: int, host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as response:
        return str(response.read().decode())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_metrics_are_served_over_either_protocol(port: int, host: str) -> None:
    """Some platforms' private networks have IPv6 alone."""
    if host == "[::1]" and not scrape_server._has_ipv6():
        pytest.skip("this machine has no IPv6")

    assert "tries_total 1.0" in scraped(port, host)


def test_an_answer_says_how_long_it_is(port: int) -> None:
    """One that is cut short is seen: missing gauges would be taken for gone ones."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        body = response.read()

    assert response.getheader("Content-Length") == str(len(body))
    assert b"tries_total 1.0" in gzip.decompress(body)


@pytest.mark.usefixtures("patience")
def test_who_connects_and_asks_nothing_is_hung_up_on(port: int) -> None:
    """A thread and a file descriptor each would be gone for good otherwise."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as silent:
        assert silent.recv(1) == b""


def test_so_many_connect_at_once_and_no_more(port: int) -> None:
    """Whoever comes on top is turned away at once, and served again when the others are gone."""
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=5)))
        wait_until(lambda: threading.active_count() == before + AT_ONCE)
        further = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=5)))
        assert further.recv(1) == b""
        assert threading.active_count() == before + AT_ONCE
    wait_until(lambda: threading.active_count() == before)

    assert "tries_total 1.0" in scraped(port)
