"""Who reads the commands, in `publisher status` and `publisher channels list` (R27, R35)."""

import json
import re
from typing import Any

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.processes import run_on_terminal

BOLD = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "evil \x1b[31m\ngroup \u202e" + "x" * 300


@pytest.fixture
def read(outside: Outside) -> Outside:
    """Seven emails: one group has read five of them and acknowledged three, another has read none."""
    ids = [outside.redis.xadd(EMAIL, {"n": n}) for n in range(7)]
    for group in ("mail-service", HOSTILE):
        outside.redis.xgroup_create(EMAIL, group, "0")
    for consumer, count in (("mail-1", 4), ("mail-2", 1)):
        outside.redis.xreadgroup("mail-service", consumer, {EMAIL: ">"}, count=count)
    outside.redis.xack(EMAIL, "mail-service", *ids[:3])
    outside.redis.xadd(PUSH, {"n": 1})
    return outside


def readers(publisher: Publisher) -> dict[str, dict[str, Any]]:
    """The readers of each channel, which `status --json` and `channels list --json` tell alike."""
    status = publisher("status", "--json")
    listed = publisher("channels", "list", "--json")
    assert (status.returncode, listed.returncode, listed.stderr) == (0, 0, "")
    told = {row["channel"]: row["readers"] for row in map(json.loads, listed.stdout.splitlines())}
    known = {name: channel["readers"] for name, channel in json.loads(status.stdout)["channels"].items()}
    assert without_ages(known) == without_ages(told)
    return told


def without_ages(told: Any) -> Any:
    """The same without what changes with each look."""
    return json.loads(re.sub(r'"(\w+_seconds)": [0-9.]+', r'"\1": 0', json.dumps(told)))


def test_each_group_of_each_channel_is_told(read: Outside, publisher: Publisher) -> None:
    """What is unread and pending, for how long, and each consumer with when it last asked, as a program reads it."""
    told = without_ages(readers(publisher))

    assert (told["email"]["stream"], told["email"]["length"], told["email"]["problem"]) == (EMAIL, 7, None)
    hostile, mail = told["email"]["groups"]
    assert mail == {
        "group": "mail-service",
        "unread": 2,
        "is_bound": False,
        "oldest_unread_seconds": 0,
        "pending": 2,
        "oldest_pending_seconds": 0,
        "last_read_seconds": 0,
        "consumer_count": 2,
        "consumers": [
            {"consumer": "mail-1", "pending": 1, "last_read_seconds": 0, "is_gone": False},
            {"consumer": "mail-2", "pending": 1, "last_read_seconds": 0, "is_gone": False},
        ],
        "reads_nothing": False,
    }
    assert hostile["group"] == HOSTILE[:99] + "…"
    assert (hostile["unread"], hostile["pending"], hostile["last_read_seconds"]) == (7, 0, None)
    assert (told["push"]["length"], told["push"]["groups"]) == (1, [])


def test_a_bound_is_told_as_one(outside: Outside, publisher: Publisher) -> None:
    """After XDEL Redis knows no lag: more than ten thousand entries are not counted on, and that shows."""
    outside.redis.eval(
        "for n = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], n .. '-0', 'n', n) end", 1, EMAIL, 12_000
    )
    outside.redis.xgroup_create(EMAIL, "mail-service", "100-0")
    outside.redis.xdel(EMAIL, "5000-0")

    [group] = readers(publisher)["email"]["groups"]

    assert (group["unread"], group["is_bound"]) == (10_000, True)
    assert re.search(r"^email +mail-service +≥ 10,000, ", publisher("status").stdout, re.MULTILINE)


def test_people_read_it_at_80_columns(read: Outside, environ: dict[str, str]) -> None:
    """A row for each group, and below it each consumer; a terminal obeys no name that a stranger chose."""
    for command in (("status",), ("channels", "list")):
        code, shown = run_on_terminal("publisher", *command, environ=environ | {"NO_COLOR": "1"})

        assert code == 0
        assert "Who reads the commands" in shown
        assert "\x1b[31m" not in shown
        assert "\u202e" not in shown
        assert "evil ?[31m group ?" in shown
        assert max(map(len, BOLD.sub("", shown).splitlines())) <= 80
    assert "mail-2" in shown


def test_without_a_terminal_a_group_is_a_line(read: Outside, publisher: Publisher) -> None:
    """`grep` finds a group with all that is known of it."""
    for command in (("status",), ("channels", "list")):
        shown = publisher(*command).stdout

        assert re.search(r"^email +mail-service +2, \S+ +2, \S+ +2 +\S+ ago$", shown, re.MULTILINE)
        assert re.search(r"^push +none +1, ", shown, re.MULTILINE)


@pytest.mark.stray_keys("plants a key of another type")
def test_a_stream_that_is_none_hides_nothing_else(outside: Outside, publisher: Publisher) -> None:
    """A key of another type under the stream's name is told in its place (R35)."""
    outside.redis.set(EMAIL, "x")
    outside.redis.xadd(PUSH, {"n": 1})

    told = readers(publisher)
    shown = publisher("status")

    assert "WRONGTYPE" in told["email"]["problem"]
    assert (told["email"]["groups"], told["push"]["length"]) == (None, 1)
    assert shown.returncode == 0
    assert f"email: who reads {EMAIL} could not be read: Redis refused: WRONGTYPE" in shown.stdout


def test_without_redis_the_channels_are_listed(outside: Outside, publisher: Publisher) -> None:
    """PostgreSQL knows the channels: that nobody can say who reads is one line on standard error (R35)."""
    away = {"REDIS_URL": "redis://127.0.0.1:1"}

    shown, told = publisher("channels", "list", **away), publisher("channels", "list", "--json", **away)

    assert (shown.returncode, told.returncode) == (0, 0)
    assert "open" in shown.stdout
    assert "Who reads" not in shown.stdout
    assert [json.loads(line)["readers"] for line in told.stdout.splitlines()] == [None, None]
    for done in (shown, told):
        said = "publisher: who reads the commands could not be asked: Redis is not available"
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1


def test_a_group_that_reads_nothing_is_told_first(outside: Outside, publisher: Publisher) -> None:
    """A command has waited for an hour, and no consumer ever asked: the verdict says so, and where to look."""
    outside.redis.xadd(EMAIL, {"n": 1}, id=f"{outside.redis.time()[0] * 1000 - 3_600_000}-0")
    outside.redis.xgroup_create(EMAIL, "mail-service", "0")

    verdict = json.loads(publisher("status", "--json").stdout)["verdict"]

    [finding] = [each for each in verdict["findings"] if each["code"] == "not_read"]
    assert (finding["level"], finding["channel"], finding["count"]) == ("warning", "email", 1)
    assert finding["seconds"] >= 3600
    said = "1 command unread on email, the oldest for 1h"
    assert finding["text"].startswith(said)
    assert finding["text"].endswith(": group mail-service reads nothing")
    assert said in publisher("status").stdout
