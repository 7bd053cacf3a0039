"""`publisher status` while a server is away: it shows what the other one says (R35)."""

import json
from collections.abc import Callable

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside, users
from tests.factories import GROUP, INTENTS, accepted, intent_fields

NO_DATABASE = {"DATABASE_URL": "postgresql://ann:hush-5ecret@127.0.0.1:1/name"}
NO_REDIS = {"REDIS_URL": "redis://ann:hush-5ecret@127.0.0.1:1/0"}


@pytest.fixture
def filled(database: Database, outside: Outside) -> None:
    """Three routes that are due, and two intents, one of them in hand."""
    accepted(database, [{"recipients_json": users(3), "channels_json": ["push"]}])
    outside.send(intent_fields(), intent_fields())
    outside.redis.xgroup_create(INTENTS, GROUP, id="0")
    outside.redis.xreadgroup(GROUP, "someone", {INTENTS: ">"}, count=1)


@pytest.mark.usefixtures("filled")
def test_without_redis_what_postgresql_says_is_shown(publisher: Publisher) -> None:
    """Routes and gates are shown; one line says why the rest could not be read, and the exit code is 1 (R35)."""
    shown, told = publisher("status", **NO_REDIS), publisher("status", "--json", **NO_REDIS)

    assert (shown.returncode, shown.stderr, told.returncode, told.stderr.count("\n")) == (1, "", 1, 1)
    assert shown.stdout.count("Redis is not available: ") == 1
    assert told.stderr.startswith("publisher: Redis is not available: ")
    assert "5ecret" not in shown.stdout + told.stderr
    assert "Open routes" in shown.stdout
    assert "malformed intents" in shown.stdout
    assert "intents waiting" not in shown.stdout
    said = json.loads(told.stdout)
    assert (said["channels"]["push"]["pending"], said["channels"]["push"]["queued"]) == (3, None)
    assert (said["intents"]["malformed"], said["intents"]["lag"], said["processes"]) == (0, None, None)
    [problem] = said["problems"]
    assert told.stderr == f"publisher: {problem}\n"


@pytest.mark.usefixtures("filled")
def test_without_postgresql_what_redis_says_is_shown(publisher: Publisher) -> None:
    """Intents and queues are shown; one line says why the rest could not be read, and the exit code is 1 (R35)."""
    shown, told = publisher("status", **NO_DATABASE), publisher("status", "--json", **NO_DATABASE)

    assert (shown.returncode, shown.stderr, told.returncode, told.stderr.count("\n")) == (1, "", 1, 1)
    assert shown.stdout.count("PostgreSQL is not available: ") == 1
    assert told.stderr.startswith("publisher: PostgreSQL is not available: ")
    assert "5ecret" not in shown.stdout + told.stderr
    assert "Messages waiting in queues" in shown.stdout
    assert "intents waiting" in shown.stdout
    assert "Open routes" not in shown.stdout
    said, whole = json.loads(told.stdout), json.loads(publisher("status", "--json").stdout)
    assert said["channels"]["push"].keys() == whole["channels"]["push"].keys()
    assert (said["channels"]["push"]["pending"], said["channels"]["push"]["queued"]) == (None, 0)
    assert said["intents"].keys() == whole["intents"].keys()
    assert (said["intents"]["lag"], said["intents"]["pending"], said["intents"]["malformed"]) == (1, 1, None)
    assert said["processes"] == []


def test_without_either_both_are_told_once(publisher: Publisher) -> None:
    """Nothing else can be shown: a line of the verdict says why, of each; for programs the line of the error (R35)."""
    done = publisher("status", **NO_DATABASE, **NO_REDIS)

    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (1, 2, "")
    assert [line.partition(" is not ")[0] for line in done.stdout.splitlines()] == ["PostgreSQL", "Redis"]
    told = publisher("status", "--json", **NO_DATABASE, **NO_REDIS)
    assert told.stderr.startswith("publisher: PostgreSQL is not available: ")
    assert "; Redis is not available: " in told.stderr


def test_an_old_schema_hides_nothing_of_redis(
    publisher: Publisher, create_database: Callable[[str], str], outside: Outside
) -> None:
    """A schema that is not up to date names the command that mends it; what Redis says is shown (R35)."""
    done = publisher("status", DATABASE_URL=create_database("template1"))

    assert done.returncode == 1
    assert done.stdout.count("run 'publisher migrate'") == 1
    assert "intents waiting" in done.stdout


def test_a_url_that_libpq_does_not_understand_is_bad_settings(publisher: Publisher) -> None:
    """It is exit code 2, as of every command, and not shown as a server that is away."""
    done = publisher("status", DATABASE_URL="postgresql://ann:hush-5ecret@db/name?options=-c%20app.name=x")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "publisher: DATABASE_URL is no URL that PostgreSQL understands\n"
