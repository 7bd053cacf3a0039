"""How many connections each process opens: never more than the guide on sizing says, and as many once all is busy."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import redis

from tests.acceptance.counters import metrics_port
from tests.acceptance.outside import Outside
from tests.conftest import connected
from tests.factories import intent_fields
from tests.mail_run import mail_server
from tests.processes import Processes, run_command
from tests.unit.guides.test_tables import table
from tests.waiting import wait_until

THREADS, CHANNELS, MAIL_PARTITIONS = 6, 2, 3
WORKER = f"dramatiq publisher.actors --processes 1 --threads {THREADS} --worker-shutdown-timeout 20000 --skip-logging"
# What the guide calls a process, and what its connections call themselves.
MAILER = "one mailer, once PUBLISHER_SMTP_URL is set"
NAMES = {
    "one worker process": ("publisher-worker", "publisher-worker-queue"),
    "the clock": ("publisher-scheduler", "publisher-scheduler-queue"),
    "one intake": ("publisher-intake", "publisher-intake-queue", "publisher-intake-group", "publisher-intake-events"),
    MAILER: (*("publisher-mailer", "publisher-mailer-group", "publisher-mailer-heartbeat"),),
    "one page": (
        *("publisher-web", "publisher-web-queue", "publisher-web-snapshot"),
        *("publisher-web-page", "publisher-web-change", "publisher-web-door"),
    ),
    "one admin command": ("publisher-cli",),
}


def most() -> dict[str, tuple[int, ...]]:
    """Of each process, the most connections to PostgreSQL and to Redis, by the guide."""
    rows = table("sizing", "| process | PostgreSQL | Redis |")
    partitions = dict.fromkeys(NAMES, 1) | {MAILER: MAIL_PARTITIONS}
    return {row[0]: tuple(_computed(f, partitions[row[0]]) for f in row[1:3]) for row in rows if row[0] in NAMES}


def _computed(formula: str, partitions: int) -> int:
    """The formula of a cell for the processes of this test: numbers, these words, + and *."""
    words = {"threads": THREADS, "channels": CHANNELS, "partitions": partitions}
    products = re.sub("|".join(words), lambda found: str(words[found[0]]), re.sub(r",.*", "", formula))
    total = 0
    for product in products.split("+"):
        value = 1
        for factor in product.split("*"):
            value *= int(factor)
        total += value
    return total


class Peak:
    """The most connections seen so far, by name."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.postgresql: Counter[str] = Counter()
        self.redis: Counter[str] = Counter()

    def look(self) -> None:
        """Counts once more."""
        sessions = self._outside.rows(
            "SELECT application_name AS name FROM pg_stat_activity WHERE datname = current_database()"
        )
        self.postgresql |= Counter(row["name"] for row in sessions)
        self.redis |= Counter(client["name"] for client in self._outside.redis.client_list())

    def of(self, process: str) -> tuple[int, int]:
        """To PostgreSQL and to Redis, of this process by the guide's name."""
        return sum(self.postgresql[n] for n in NAMES[process]), sum(self.redis[n] for n in NAMES[process])


@pytest.fixture(autouse=True)
def smtp(environ: dict[str, str]) -> Iterator[None]:
    """An SMTP server, so that the mailer is at work as well, on several partitions."""
    environ["PUBLISHER_EMAIL_PARTITIONS"] = str(MAIL_PARTITIONS)
    with mail_server(environ):
        yield


def test_no_process_opens_more_connections_than_the_guide_says(
    processes: Processes, environ: dict[str, str], outside: Outside, database_url: str, redis_client: redis.Redis
) -> None:
    """Every thread of a worker waits for a lock, then all works at once: the count stays at or below the formulas."""
    commands = (WORKER, "clock", "intake", "mailer", "web", "publisher status --watch")
    # The clock of this test exports gauges, as it does wherever metrics are served.
    ports = {"clock": {"PUBLISHER_METRICS_PORT": metrics_port()}}
    started = [processes.start(command, **ports.get(command, {})) for command in commands]
    for process in started[:5]:
        process.wait_until_ready()
    peak = Peak(outside)
    with connected(database_url) as blocking, blocking.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE routes IN ACCESS EXCLUSIVE MODE")
        for _ in range(THREADS):
            run_command("publisher", "scheduler", "scan", environ=environ)
        wait_until(lambda: peak.look() or peak.of("one worker process")[0] >= THREADS, describe=lambda: peak.postgresql)
        cursor.execute("ROLLBACK")
    sent = outside.send(*(intent_fields(notification_type="demo.turn.ready") for _ in range(2000)))
    wait_until(lambda: peak.look() or outside.statuses() == {"published": 2 * len(sent)}, within=60)
    accepted = "SELECT count(*) FROM routes WHERE answer = 'accepted'"
    wait_until(lambda: peak.look() or outside.row(accepted) == {"count": len(sent)}, within=60)

    wait_until(lambda: started[4].output.count("the page is served"))
    [url] = re.findall(r'"url":"([^"]+)"', started[4].output)
    with ThreadPoolExecutor(20) as visitors:
        answers = [visitors.submit(httpx2.get, f"{url}/readyz") for _ in range(100)]
    assert {answer.result().status_code for answer in answers} == {200}
    peak.look()

    for process, (postgresql, to_redis) in most().items():
        assert peak.of(process)[0] <= postgresql, (process, peak.postgresql)
        assert peak.of(process)[1] <= to_redis, (process, peak.redis)
    assert peak.of("one intake") >= (1, 3)
    assert peak.of(MAILER) >= (2, 3)
    assert peak.of("the clock") >= (1, 2)
    assert peak.of("one page") >= (2, 3)
    assert peak.of("one admin command")[0] == 1
