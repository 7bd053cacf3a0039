"""A host is reached by any of its addresses, whatever is wrong with the first."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from tests.integration.mail.smtp.sending import envelope, sent
from tests.smtp_servers import hostile_smtp

PATIENCE = timedelta(seconds=1)
Address = tuple[int, int, int, str, tuple[str, int]]


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a program that takes no more connections: packets to it are swallowed."""
    with ExitStack() as stack:
        program = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = int(program.getsockname()[1])
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def test_an_address_that_swallows_packets_leaves_time_for_the_next(full: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes out by another one, within the timeout."""
    with hostile_smtp() as server:
        named = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (full, server.port)]

        async def both(*_arguments: object, **_options: object) -> list[Address]:
            return named

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", both)

        outcomes = sent(f"smtp://mail.example:{server.port}", [envelope()], timeout=PATIENCE)

    assert len(outcomes) == len(server.taken) == 1
