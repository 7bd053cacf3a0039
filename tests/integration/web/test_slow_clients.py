"""Clients that send nothing, slowly, or no HTTP: the page stays there for everybody else."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx2
import pytest

from publisher.web import slow_clients
from publisher.web_process import WebProcess, serve
from tests.integration.web.conftest import Compose

Connect = Callable[[], socket.socket]
WHOLE = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HALF_A_BODY = b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\nsec-fetch-site: same-origin\r\ncontent-length: 9\r\n\r\na"


@pytest.fixture
def url(composed: Compose) -> Iterator[str]:
    """Where a page is served over a real socket."""
    process: WebProcess = composed({})
    stopping = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening, ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve(process.application, listening, stopping))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        stopping.set()
        served.result()


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Opens a connection to the page."""
    with ExitStack() as stack:
        host, _, port = url.removeprefix("http://").partition(":")
        yield lambda: stack.enter_context(socket.create_connection((host, int(port)), timeout=20))


def test_connections_that_send_nothing_lock_nobody_out(
    url: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are open, the page answers: of those that only wait, the oldest go."""
    monkeypatch.setattr(slow_clients, "_MOST_OPEN", 20)
    silent = [connect() for _ in range(60)]

    assert httpx2.get(f"{url}/healthz").text == "ok\n"
    assert silent[0].recv(1) == b""


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTT", HALF_A_BODY, WHOLE + HALF_A_BODY],
    ids=["nothing", "half a head", "half a body", "half a second body"],
)
def test_a_request_that_does_not_come_ends_its_connection(
    begun: bytes, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds a connection by sending the next byte never, or now and then."""
    monkeypatch.setattr(slow_clients, "HEAD", 0.1)
    monkeypatch.setattr(slow_clients, "BODY", 0.1)
    client = connect()
    client.sendall(begun)

    with client.makefile("rb") as answered:
        assert answered.read().count(b"\r\n\r\nok\n") == begun.count(WHOLE)


@pytest.mark.parametrize(
    "junk",
    [
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnot a size\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=["HTTP/0.9", "TLS", "a huge header", "a chunk without a size", "two lengths", "no host", "another expectation"],
)
def test_what_is_no_request_is_refused_and_the_page_lives(junk: bytes, url: str, connect: Connect) -> None:
    """It gets a 4xx answer, and the next visitor the page."""
    client = connect()
    client.sendall(junk)
    assert client.recv(100).startswith(b"HTTP/1.1 4")
    assert httpx2.get(f"{url}/healthz").status_code == 200


def test_a_body_that_does_not_come_holds_no_end_up(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process ends before its requests would be cancelled, and no bug is told of a client that is gone (R17)."""
    monkeypatch.setattr(slow_clients, "ENDING", 0.1)
    process, stopping = composed({}), threading.Event()
    form = b"content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\ncontent-length"
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        ThreadPoolExecutor(1) as thread,
        socket.create_connection(listening.getsockname(), timeout=20) as client,
    ):
        served = thread.submit(asyncio.run, serve(process.application, listening, stopping))
        try:
            client.sendall(HALF_A_BODY.replace(b"content-length", form))
            # Its form is being read.
            assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        finally:
            stopping.set()
        served.result(timeout=20)
    assert caplog.text == ""
