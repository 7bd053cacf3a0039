"""The door on a real socket: bodies in pieces, without end and cut off, requests in a row, and PostgreSQL away."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
from starlette.testclient import TestClient

from publisher.settings.web import WebSettings
from publisher.web.door import bodies
from publisher.web_process import listen, serve
from storage.database import Database
from tests.conftest import connected
from tests.integration.rows import rows
from tests.integration.web.conftest import Serve
from tests.integration.web.door.conftest import Token
from tests.integration.web.door.test_intents import written
from tests.waiting import wait_until

BODY = json.dumps(written()).encode()


@contextmanager
def listening(client: TestClient) -> Iterator[int]:
    """Serves the application on a port of this machine."""
    stopping = threading.Event()
    with listen(WebSettings(port=0)) as bound, ThreadPoolExecutor(1) as thread:
        served = thread.submit(lambda: asyncio.run(serve(client.app, bound, stopping)))  # type: ignore[arg-type]
        try:
            yield bound.getsockname()[1]
        finally:
            stopping.set()
            served.result(20)


@pytest.fixture
def port(door: TestClient) -> Iterator[int]:
    """Where the door listens."""
    with listening(door) as port:
        yield port


def head(door: TestClient, *more: str, path: str = "/v1/intents") -> bytes:
    """The beginning of a request to take an intent in."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Authorization: {door.headers['authorization']}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def talk(port: int, *parts: bytes, ends: bool = False) -> bytes:
    """Sends these bytes, then ends its half if it is told to, and returns all that comes until the door closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        # A door that has refused a body reads no more of it.
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while found := connection.recv(65_536):
                answer += found
    return answer


def test_a_body_in_pieces_is_taken_in(door: TestClient, port: int) -> None:
    """Whether its length is told before, or it comes in chunks."""
    told = head(door, "Connection: close", f"Content-Length: {len(BODY)}")
    chunks = [
        f"{len(BODY[at : at + 50]):x}\r\n".encode() + BODY[at : at + 50] + b"\r\n" for at in range(0, len(BODY), 50)
    ]

    assert talk(port, told, *(bytes([each]) for each in BODY)).startswith(b"HTTP/1.1 201")
    answer = talk(port, head(door, "Connection: close", "Transfer-Encoding: chunked"), *chunks, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200"), answer


def test_a_body_without_end_is_refused_before_it_is_read(door: TestClient, port: int) -> None:
    """413 once the limit is passed, or at once where its length is told; then the connection is closed."""
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for answer in (
        talk(port, head(door, "Transfer-Encoding: chunked"), *[piece] * 129),
        talk(port, head(door, f"Content-Length: {9 * 1024 * 1024}")),
        talk(port, head(door, f"Content-Length: {'9' * 19}")),
    ):
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
        assert b"connection: close" in answer


def test_a_body_that_is_cut_off_is_not_taken_in(database: Database, door: TestClient, port: int) -> None:
    """Nothing of it is kept, and the door goes on."""
    for length in (len(BODY) + 1, len(BODY) * 2):
        assert b"HTTP/1.1 20" not in talk(port, head(door, f"Content-Length: {length}"), BODY, ends=True)

    assert rows(database, "SELECT * FROM notifications") == []
    whole = head(door, "Connection: close", f"Content-Length: {len(BODY)}")
    assert talk(port, whole, BODY).startswith(b"HTTP/1.1 201")


def test_a_sender_of_slow_bodies_leaves_room_for_others(door: TestClient, port: int, token: Token) -> None:
    """One who begins many requests and ends none is told to come again; another sender's is taken in meanwhile."""
    with ExitStack() as stack:
        for _ in range(9):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            slow.sendall(head(door, f"Content-Length: {len(BODY)}"))
        whole = head(door, "Connection: close", f"Content-Length: {len(BODY)}") + BODY
        wait_until(lambda: talk(port, whole).startswith(b"HTTP/1.1 503"))
        other = {"authorization": f"Bearer {token('shop')}"}
        assert door.post("/v1/intents", json=written(producer="shop"), headers=other).status_code == 201


def test_whoever_has_no_token_is_not_asked_for_a_body(door: TestClient, port: int) -> None:
    """401 in the place of `100 Continue`."""
    asked = head(door, "Content-Length: 100", "Expect: 100-continue")

    assert talk(port, asked.replace(b"npt_", b"npt-")).startswith(b"HTTP/1.1 401")


def test_a_body_that_does_not_come_is_not_waited_for(
    door: TestClient, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408 after its time; then the connection is closed."""
    monkeypatch.setattr(bodies, "_SECONDS", 0.05)

    answer = talk(port, head(door, "Content-Length: 100"), b"{")

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer


def test_more_bodies_than_the_door_holds_are_told_to_come_again(door: TestClient, port: int, token: Token) -> None:
    """503 with the seconds to wait, before anything of them is read; the others go on (R35)."""
    senders = [f"Bearer {token()}" for _ in range(3)]
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(17)]
        for place, connection in enumerate(held):
            door.headers["authorization"] = senders[place % len(senders)]
            connection.sendall(head(door, "Connection: close", f"Content-Length: {len(BODY)}"))
        [refused], _, _ = select.select(held, [], [], 20)
        answer = refused.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in answer
        held.remove(refused)
        for connection in held:
            connection.sendall(BODY)
            assert connection.recv(100).startswith(b"HTTP/1.1 20")


def test_requests_in_a_row_are_answered_in_their_order(door: TestClient, port: int) -> None:
    """Each with its own body, though all were sent before the first was answered (pipelining)."""
    intents = [json.dumps(written(f"turn-{n}")).encode() for n in (1, 1, 2)]
    sent = [head(door, f"Content-Length: {len(body)}") + body for body in intents]
    last = head(door, "Connection: close", "Content-Length: 2") + b"[]"

    answers = talk(port, b"".join([*sent, last])).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"201", b"200", b"201", b"200"]


def test_two_processes_accept_a_key_once(database: Database, serve: Serve, token: Token) -> None:
    """Whoever sends the same at once to both gets 201 from one of them, and 200 from the other (R15, R18)."""
    sender = {"authorization": f"Bearer {token()}"}
    both = [serve({"PUBLISHER_WEB_DOOR_RATE": "0"}) for _ in range(2)]
    batch = [written(f"turn-{n}") for n in range(20)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: both[n % 2].post("/v1/intents", json=batch, headers=sender), range(8)))

    results = [[result["status"] for result in answer.json()["results"]] for answer in answers]
    assert [sorted(each) for each in zip(*results, strict=True)] == [[200] * 7 + [201]] * 20
    assert len(rows(database, "SELECT * FROM notifications")) == 20


def test_a_lost_connection_amid_a_batch_is_told_and_the_batch_is_sent_again(
    database: Database, database_url: str, door: TestClient
) -> None:
    """503 with the seconds to wait: nothing of it was accepted, and the same again is (R20)."""
    batch = [written(f"turn-{n}") for n in range(3)]
    with connected(database_url) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN; LOCK TABLE notifications IN SHARE MODE")
        sent = thread.submit(lambda: door.post("/v1/intents", json=batch))
        ends = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'publisher-web-door' AND wait_event_type = 'Lock'"
        )
        with connected(database_url) as third, third.cursor() as killer:
            wait_until(lambda: killer.execute(ends) or killer.fetchall())
        answer = sent.result(20)
        cursor.execute("ROLLBACK")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    assert answer.json()["code"] == "unavailable"
    assert rows(database, "SELECT * FROM notifications") == []
    again = door.post("/v1/intents", json=batch).json()["results"]
    assert [result["status"] for result in again] == [201] * 3


def test_while_postgresql_is_away_everything_is_told_to_come_again(environ: dict[str, str], serve: Serve) -> None:
    """503, in words that name no server: also of a token that nobody can look up (R36)."""
    environ["DATABASE_URL"] = "postgresql://user:secret@127.0.0.1:1/app"
    page = serve()

    answer = page.post("/v1/intents", json=written(), headers={"authorization": "Bearer npt_" + "x" * 43})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "127.0.0.1" not in answer.text
