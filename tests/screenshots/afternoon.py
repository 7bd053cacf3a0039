"""An afternoon on which things went wrong: its servers, its processes, and what waits for an operator."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from publisher.local.embedded import embedded_servers
from storage.database import Database
from storage.schema.schema import migrate
from tests.acceptance.final_routes import BURY, PUBLISH
from tests.browser.tokens import TOKENS
from tests.factories import accepted
from tests.integration.answered_routes import answer
from tests.integration.rows import all_routes, execute
from tests.processes import Processes, free_port, run_command
from tests.screenshots.traffic import traffic
from tests.waiting import wait_until

_DEAD, _UNANSWERED = 1_240, 37
# Two hours ago the gateway's Redis was full for some minutes.
_FULL = """
UPDATE dead_letters
SET classification = 'gateway_stream_publish_failed',
    message = 'OOM command not allowed when used memory > ''maxmemory''.',
    dead_lettered_at = now() - interval '2 hours' + id * interval '0.2 s'
"""
# Four days ago the mail service lost some of its answers.
_LOST = "UPDATE routes SET published_at = now() - interval '4 days' + id * interval '1 s' WHERE status = 'published'"
_COMMANDS = (
    ("channels", "limit", "email", "120/s", "--burst", "240", "--by", "Ben", "--yes"),
    (
        "holds",
        "add",
        "--type",
        "club.news.weekly",
        "--reason",
        "the newsletter names the wrong club",
        "--by",
        "Ann",
        "--yes",
    ),
    ("channels", "pause", "push", "--reason", "the gateway is being moved, until 16:30", "--by", "Ann", "--yes"),
)


@contextmanager
def afternoon() -> Iterator[tuple[str, Callable[[], None]]]:
    """Runs it until the block ends. Yields the URL of the page, and what does that which two operators did."""
    with tempfile.TemporaryDirectory(prefix="publisher-pictures-") as folder, embedded_servers(Path(folder)) as servers:
        with closing(Database(servers.database_url, application_name="pictures")) as database:
            migrate(database)
            _fill(database)
        port = free_port()
        environ = servers.environ | {
            "PUBLISHER_LOG_FORMAT": "json",
            "PUBLISHER_EMAIL_MAX_ATTEMPTS": "3",
            "PUBLISHER_WEB_PORT": str(port),
            **TOKENS,
        }
        (logs := Path(folder) / "logs").mkdir()
        processes = Processes(environ, logs)
        try:
            with traffic(servers.redis_url):
                for command in ("worker", "clock", "intake", "publisher web"):
                    processes.start(command)
                wait_until(lambda: _answers(port))
                yield f"http://127.0.0.1:{port}", partial(_operate, environ)
        finally:
            processes.kill_all()


def _operate(environ: Mapping[str, str]) -> None:
    for command in _COMMANDS:
        done = run_command("publisher", *command, environ=environ)
        assert done.returncode == 0, done.stderr


def _fill(database: Database) -> None:
    user = ({"user_id": str(n), "email": f"user-{n}@example.com"} for n in range(1, _DEAD + _UNANSWERED + 1))
    accepted(database, [{"recipients_json": [next(user)], "channels_json": ["push"]} for _ in range(_DEAD)])
    execute(database, BURY)
    execute(database, _FULL)
    invoices = [
        {"recipients_json": [next(user)], "channels_json": ["email"], "notification_type": "invoice.due"}
        for _ in range(_UNANSWERED)
    ]
    accepted(database, invoices)
    execute(database, f"{PUBLISH} WHERE status = 'pending'")
    execute(database, _LOST)
    # Since then it has answered.
    [first, *_] = (route["id"] for route in all_routes(database) if route["status"] == "published")
    answer(database, first, "delivered", ago=timedelta(days=4))


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False
