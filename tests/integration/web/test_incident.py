"""What the pages say while a server hangs, or is away: each stands, and says what it could not read (R35)."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Event

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from storage.database import Database
from tests.faults.proxied_url import proxied
from tests.faults.proxy import Proxy
from tests.integration.rows import execute
from tests.integration.web.conftest import Serve
from tests.waiting import wait_until

# Every page that asks a server.
PAGES = (
    "/channels",
    "/waiting",
    "/waiting/dead-letters",
    "/waiting/malformed",
    "/waiting/malformed/1",
    "/waiting/unanswered",
    "/waiting/holds",
    "/waiting/holds/1",
    "/actions",
    "/actions/1",
    "/find?id=route:1",
    "/find?id=7-1",
)
# Those that need Redis for a part, and those that show the newest snapshot alone.
OF_REDIS = {"/channels", "/find?id=7-1"}
OF_SNAPSHOT = {"/waiting"}
UNREAD = ("no answer within 2 seconds", "not available", "could not be read")


@pytest.fixture
def proxies(environ: dict[str, str]) -> Iterator[Mapping[str, Proxy]]:
    """Proxies before both servers, by their names, through which the page of this test goes."""
    with ExitStack() as stack:
        ways = {}
        for name, variable in (("postgresql", "DATABASE_URL"), ("redis", "REDIS_URL")):
            ways[name], environ[variable] = stack.enter_context(proxied(environ[variable]))
        yield ways


def ask(page: TestClient) -> dict[str, Response]:
    """Asks for all pages, a few at once."""
    with ThreadPoolExecutor(3) as visitors:
        return dict(zip(PAGES, visitors.map(page.get, PAGES), strict=True))


def statuses(answers: Mapping[str, Response]) -> dict[str, int]:
    """The status of each answer."""
    return {path: answer.status_code for path, answer in answers.items()}


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "is away"])
@pytest.mark.parametrize(
    ("server", "unread"),
    [("postgresql", {*PAGES} - OF_SNAPSHOT), ("redis", OF_REDIS)],
    ids=["PostgreSQL", "Redis"],
)
def test_each_page_answers_and_once_the_server_is_back_all_is_there(
    server: str, unread: AbstractSet[str], hangs: bool, proxies: Mapping[str, Proxy], serve: Serve
) -> None:
    """What was not read is named where it would stand, everything else is shown, and nothing has to be restarted."""
    page = serve()
    before = ask(page)
    (proxies[server].stall if hangs else proxies[server].refuse)()

    during = ask(page)

    said = {path for path, answer in during.items() if any(words in answer.text for words in UNREAD)}
    assert said == unread
    assert {answer.status_code for answer in during.values()} <= {200, 503, 404}
    proxies[server].resume()
    wait_until(lambda: statuses(ask(page)) == statuses(before), within=20, describe=lambda: statuses(ask(page)))


def test_what_redis_knows_is_there_while_every_reader_waits_for_postgresql(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few visitors during an outage of PostgreSQL have nobody take Redis for unavailable."""
    reading = page.app.state.context.reading  # type: ignore[attr-defined]
    monkeypatch.setattr(reading, "_budget", timedelta(seconds=0.1))
    is_back = Event()
    for _ in range(20):
        reading._threads.submit(is_back.wait)
    try:
        assert page.get("/readyz").json() == {"postgresql": "unavailable", "redis": "ok"}
        shown = page.get("/channels").text
    finally:
        is_back.set()
    assert "The channels could not be read" in shown
    assert "Who reads the commands could not be read" not in shown
    assert "push: no group reads gateway:client_events" in shown


def test_a_page_of_one_record_says_that_the_schema_is_not_up_to_date(page: TestClient, database: Database) -> None:
    """Until `publisher migrate` has run it is no bug of the page: it answers 503, and names the command."""
    execute(database, "DROP TABLE malformed_intents")
    answer = page.get("/waiting/malformed/1")
    assert (answer.status_code, "publisher migrate" in answer.text) == (503, True)
