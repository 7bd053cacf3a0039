"""`publisher web` as a platform runs it: how it starts, whatever is away, and how it ends (R17)."""

import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.acceptance.test_cli_errors import assert_refused
from tests.conftest import connected
from tests.processes import Process, Processes
from tests.waiting import wait_until

PATIENCE = 25.0
NOWHERE = {"DATABASE_URL": "postgresql://someone@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}


def url_of(web: Process) -> str:
    """Where the page is, once it says so."""
    web.wait_for_output("the page is served")
    return re.findall(r'"url":"([^"]+)"', web.output)[0]


def test_a_page_that_cannot_be_served_says_which_variable_to_set(publisher: Publisher) -> None:
    """Exit code 2 and one line: for others without tokens, or on a port that is taken."""
    everywhere = "0.0.0.0"  # noqa: S104 - refused
    assert_refused(publisher("web", PUBLISHER_WEB_HOST=everywhere), 2, "PUBLISHER_WEB_HOST is '0.0.0.0'")
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = str(other.getsockname()[1])
        assert_refused(publisher("web", PUBLISHER_WEB_PORT=port), 2, f"cannot listen on 127.0.0.1 port {port}")


def test_a_page_stands_while_both_servers_are_away(processes: Processes) -> None:
    """It starts, says what cannot be read, and ends at once when it is told to (R35, R17)."""
    web = processes.start("web", **NOWHERE)
    url = url_of(web)

    assert httpx2.get(f"{url}/healthz").status_code == 200
    assert httpx2.get(f"{url}/readyz").json() == {"postgresql": "unavailable", "redis": "unavailable"}
    wait_until(lambda: "PostgreSQL could not be read" in httpx2.get(url).text)
    assert "Redis could not be read" in httpx2.get(url).text
    web.signal(signal.SIGTERM)

    assert web.wait(PATIENCE) == 0
    assert "Traceback" not in web.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_page_that_is_stopped_answers_what_is_under_way(
    processes: Processes, outside: Outside, database_url: str, number: signal.Signals
) -> None:
    """A request that waits for PostgreSQL gets its answer; connections that wait for nothing hold nothing up (R17)."""
    web = processes.start("web")
    url = url_of(web)
    address = urlsplit(url).hostname, urlsplit(url).port
    with (
        connected(database_url) as blocking,
        blocking.cursor() as cursor,
        httpx2.Client() as kept,
        socket.create_connection(address),
        ThreadPoolExecutor(1) as visitor,
    ):
        assert kept.get(f"{url}/healthz").status_code == 200
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")
        asked = visitor.submit(httpx2.get, f"{url}/readyz", timeout=20)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'publisher-web-page' AND state = 'active'"
        )
        wait_until(lambda: outside.row(waiting) == {"count": 1})
        for _ in range(2):
            web.signal(number, group=True)

        assert asked.result().json() == {"postgresql": "unavailable", "redis": "ok"}
        assert web.wait(PATIENCE) == 0
    assert "Traceback" not in web.output
    assert web.members() == []
