"""At rest: the commands that Redis gets, and the statements that PostgreSQL gets, while there is nothing to do."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from publisher.local.embedded import Servers
from tests.benchmarks.latency import send_evenly
from tests.benchmarks.results import Figure
from tests.benchmarks.stage import Stage, stage
from tests.conftest import run_sql

GROUP = "rest"
_MARK = b"LOG:  statement: "
# The settings of a transaction stand before its first statement, in the same message.
_SETTINGS = re.compile(rb"\s*(SET [^;]*;\s*)*")
# What begins or ends a transaction comes with the statement between.
_AROUND = (b"BEGIN", b"COMMIT", b"ROLLBACK")


def figures(servers: Servers, seconds: float) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    with stage(servers) as on:
        log = log_statements(on)
        on.start("worker", "clock", "intake")
        # Connected and warm, and what follows the first routes is over.
        send_evenly(on, 0, 10, 10)
        time.sleep(seconds / 10)
        commands, read = _commands(on), log.stat().st_size
        time.sleep(seconds)
        # Asking is a command, too.
        commands = _commands(on) - commands - 1
        statements = statements_of(log, read)
    yield Figure(GROUP, "commands of Redis at rest", f"{commands / seconds:.1f} a second", "", "20 a second")
    yield Figure(GROUP, "statements of PostgreSQL at rest", f"{statements / seconds:.1f} a second", "", "2 a second")


def _commands(on: Stage) -> int:
    return int(on.redis.info("stats")["total_commands_processed"])


def log_statements(on: Stage) -> Path:
    """Lets PostgreSQL log each statement of this database, in sessions that begin from now on. Returns the log."""
    [(name,)] = on.database.rows("SELECT current_database()")
    run_sql(on.environ["DATABASE_URL"], f"ALTER DATABASE {name} SET log_statement = 'all'")
    [(folder,)] = on.database.rows("SHOW data_directory")
    return Path(folder) / "log"


def statements_of(log: Path, start: int) -> int:
    """Counts the statements that were logged from this place on."""
    with log.open("rb") as file:
        file.seek(start)
        said = [_SETTINGS.sub(b"", line.partition(_MARK)[2], count=1) for line in file if _MARK in line]
    return sum(not statement.startswith(_AROUND) for statement in said)
