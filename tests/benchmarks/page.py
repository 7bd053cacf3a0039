"""The pages beside millions of routes: how long each takes, and the slowest of them while a server hangs (R35)."""

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2

from publisher.local.embedded import Servers
from tests.benchmarks.millions import seed_millions
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import seed, stage
from tests.faults.proxied_url import proxied
from tests.faults.proxy import Proxy
from tests.processes import free_port
from tests.waiting import wait_until

GROUP = "page"
_NEWEST = "SELECT idempotency_key FROM notifications ORDER BY accepted_at DESC LIMIT 1"
_PAGES = (
    *("/", "/channels", "/waiting", "/waiting/dead-letters", "/waiting/malformed", "/waiting/unanswered"),
    *("/waiting/holds", "/actions"),
)
# One of so many is due.
_OPEN = 5
_TARGET = "2.5 s"


def figures(servers: Servers, routes: int, runs: int) -> Iterator[Figure]:
    """The lines of RESULTS.md. routes: that are published; a fifth as many are due besides."""
    port = free_port()
    with stage(servers, {"PUBLISHER_WEB_PORT": str(port)}) as on, ExitStack() as stack:
        seed_millions(on, routes)
        seed(on, routes // _OPEN)
        [(key,)] = on.database.rows(_NEWEST)
        pages = [*_PAGES, f"/find?id={key}"]
        ways = {}
        for variable in ("DATABASE_URL", "REDIS_URL"):
            ways[variable], on.environ[variable] = stack.enter_context(proxied(on.environ[variable]))
        on.start("web")
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        wait_until(lambda: "published/s" in client.get("/").text, within=60)
        for page in pages:
            seconds = statistics.median(_seconds(client, page) for _ in range(runs))
            what = f"{page.partition('?')[0]} beside {routes:,} published and {routes // _OPEN:,} due routes"
            # Quick is a page, too, that gave up on a part.
            unread = "a part was not read in time" if "no answer within" in client.get(page).text else ""
            yield Figure(GROUP, what, f"{seconds * 1000:.0f} ms", unread, _TARGET)
        postgresql, redis = ways["DATABASE_URL"], ways["REDIS_URL"]
        yield _while_hung(client, pages, [postgresql], "PostgreSQL hangs")
        yield _while_hung(client, pages, [redis], "Redis hangs")
        yield _while_hung(client, pages, [postgresql, redis], "both hang")


def _while_hung(client: httpx2.Client, pages: Sequence[str], ways: Sequence[Proxy], when: str) -> Figure:
    """The slowest page, asked for with all the others at once, while these servers hang."""
    for way in ways:
        way.stall()
    try:
        with ThreadPoolExecutor(len(pages)) as visitors:
            slowest = max(visitors.map(lambda page: _seconds(client, page), pages))
    finally:
        for way in ways:
            way.resume()
    wait_until(lambda: client.get("/readyz").status_code == 200, within=60)
    return Figure(GROUP, f"the slowest of all at once while {when}", f"{slowest * 1000:.0f} ms", "", _TARGET)


def _seconds(client: httpx2.Client, page: str) -> float:
    began = time.perf_counter()
    answer = client.get(page)
    assert answer.status_code in {200, 503}, (page, answer.status_code)
    return time.perf_counter() - began
