"""A browser and a real `publisher web` for each module of tests: both are started once, on a database of the module.

The fixtures that stand here have the names of those for each test, and live as long as a module instead.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, Page, expect

from storage.database import Database
from tests.browser.chromium import CHROMIUM, IS_NEEDED, Watched, chromium
from tests.conftest import run_sql, with_database
from tests.processes import Process, Processes, free_port
from tests.redis_keys import undocumented_keys
from tests.waiting import wait_until

Serve = Callable[..., "Site"]
Browse = Callable[..., Page]
# A machine under load takes its time; whoever waits longer than this waits for something that does not come.
_PATIENCE_MS = 15_000


@dataclass(frozen=True, slots=True)
class Site:
    """A process that serves the page."""

    url: str
    process: Process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Not for the whole session: while it runs, other tests could start no event loop."""
    if CHROMIUM is None and not IS_NEEDED:
        pytest.skip("chromium is missing: it is Debian's package `chromium`")
    expect.set_options(timeout=_PATIENCE_MS)
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def database_url(servers, template: str) -> Iterator[str]:
    """A migrated database of this module's own."""
    name = f"{template}_browser"
    run_sql(servers.database_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield with_database(servers.database_url, name)
    run_sql(servers.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """The service's own access to this module's database."""
    with closing(Database(database_url, application_name="test")) as database:
        yield database


@pytest.fixture(scope="module")
def redis_url(servers) -> Iterator[str]:
    """A Redis that is empty when the module begins."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushdb()
        yield servers.redis_url
        assert undocumented_keys(client) == []


@pytest.fixture(scope="module")
def environ(database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of this module's processes."""
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PUBLISHER_LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def processes(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts the service's real processes, and stops each by its pid."""
    started = Processes(environ, tmp_path_factory.mktemp("processes"))
    with ExitStack() as stack:
        stack.callback(started.kill_all)
        yield started


@pytest.fixture(scope="module")
def serve(processes: Processes) -> Serve:
    """Starts a process that serves the page, with these variables besides."""

    def start(**variables: str) -> Site:
        port = free_port()
        process = processes.start("publisher web", PUBLISHER_WEB_PORT=str(port), **variables)
        site = Site(f"http://127.0.0.1:{port}", process)
        wait_until(lambda: _answers(site), describe=lambda: process.output[-3000:])
        return site

    return start


@pytest.fixture(scope="module")
def site(serve: Serve) -> Site:
    """The page as a laptop has it: without tokens, for this machine alone."""
    return serve()


@pytest.fixture
def browse(browser: Browser, site: Site) -> Iterator[Browse]:
    """Opens a tab of a visitor who shares no cookie with others. Fails if what must not happen in it happened."""
    watched, contexts = Watched(site.url), []

    def open_tab(**options: object) -> Page:
        context: BrowserContext = browser.new_context(base_url=site.url, **options)
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watched.watch(page)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert watched.found == []


@pytest.fixture
def page(browse: Browse) -> Page:
    """A tab in a window of usual width."""
    return browse(viewport={"width": 1280, "height": 900})


def _answers(site: Site) -> bool:
    if site.process.returncode is not None:
        raise AssertionError(site.process.output[-3000:])
    try:
        with urlopen(f"{site.url}/healthz", timeout=5) as answer:  # noqa: S310 - the scheme is ours
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False
