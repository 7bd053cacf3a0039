"""The page amid an outage: it stands, says what could not be read, and shows the rest (R35)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from storage.database import Database
from tests.browser.conftest import Serve, Site
from tests.browser.hostile import fill
from tests.browser.pages import PAGES, visit
from tests.faults.proxied_url import proxied
from tests.faults.proxy import Proxy

SERVERS = {"DATABASE_URL": "PostgreSQL", "REDIS_URL": "Redis"}
# What a page takes at most (R35), and what the browser takes to show it.
WITHIN = 2.5 + 0.5


@pytest.fixture(scope="module")
def proxies(environ: dict[str, str]) -> Iterator[Mapping[str, Proxy]]:
    """A proxy before each server, which this module's processes go through."""
    with ExitStack() as stack:
        opened = {variable: stack.enter_context(proxied(environ[variable])) for variable in SERVERS}
        environ.update({variable: url for variable, (_, url) in opened.items()})
        yield {variable: proxy for variable, (proxy, _) in opened.items()}


@pytest.fixture(scope="module")
def site(proxies: Mapping[str, Proxy], serve: Serve, database: Database) -> Site:
    """The page, behind a proxy before each server."""
    fill(database)
    return serve()


@pytest.fixture(params=SERVERS)
def away(request: pytest.FixtureRequest, proxies: Mapping[str, Proxy], page: Page) -> Iterator[Proxy]:
    """One server, before which a proxy stands. Everything passes until the test says otherwise, and afterwards."""
    visit(page, "/")
    proxy = proxies[request.param]
    yield proxy
    proxy.resume()


def test_each_page_stands_while_a_server_refuses(page: Page, away: Proxy) -> None:
    """No page is a failure of ours: each has its heading and its navigation, and links on."""
    away.refuse()
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status in {200, 503}, path
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


@pytest.mark.long
def test_each_page_stands_within_its_time_while_a_server_is_silent(page: Page, away: Proxy) -> None:
    """A server that takes a question and never answers costs a page no more than its two seconds."""
    away.stall()
    for path in PAGES:
        began = time.monotonic()
        page.goto(path)
        took = time.monotonic() - began
        assert took <= WITHIN, f"{path} took {took:.2f} s"
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
