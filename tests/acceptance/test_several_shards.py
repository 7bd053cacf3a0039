"""A cluster of several shards behind REDIS_URL: whoever needs Redis ends with exit code 2, and what to do (R13)."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import Publisher
from tests.processes import ROOT, Processes
from tests.valkeys import cluster


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one of three shards."""
    with cluster(tmp_path_factory.mktemp("cluster"), shards=3) as url:
        yield url


@pytest.fixture
def environ(environ: dict[str, str], shards: str) -> dict[str, str]:
    """REDIS_URL names that shard."""
    return environ | {"REDIS_URL": shards}


def refuses(text: str) -> bool:
    """Whether this says what is wrong, and both ways out, on one line."""
    [line] = [line for line in text.splitlines() if line.startswith("publisher: ")]
    said = ("REDIS_URL names one shard of a cluster", "redis+cluster://", "PUBLISHER_EMAIL_REDIS_URL")
    return all(part in line for part in said)


def test_every_process_ends_when_it_first_talks_to_it(processes: Processes) -> None:
    """Each says so once, and works on nothing."""
    mail = {
        "PUBLISHER_SMTP_URL": "smtp://127.0.0.1:1",
        "PUBLISHER_MAIL_FROM": "ann@example.com",
        "PUBLISHER_MAIL_TEMPLATES": str(ROOT / "publisher" / "local" / "templates"),
    }
    started = [processes.start(name) for name in ("worker", "clock", "intake", "publisher web")]
    started.append(processes.start("publisher mailer run", **mail))

    assert [process.wait() for process in started] == [2, 2, 2, 2, 2]
    assert all(refuses(process.output) for process in started)


@pytest.mark.parametrize("command", ["status", "channels list", "trace 17-0", "scheduler scan", "intents send -"])
def test_every_command_that_needs_redis_ends(publisher: Publisher, command: str) -> None:
    """Before it shows half of what it should, or sends anything."""
    done = publisher(*command.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert refuses(done.stderr)


def test_what_needs_postgresql_alone_works(publisher: Publisher) -> None:
    """A migration, and a list of routes."""
    assert publisher("migrate").returncode == publisher("routes", "list").returncode == 0
