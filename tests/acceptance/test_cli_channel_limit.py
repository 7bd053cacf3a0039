"""`publisher channels limit`: slowing a channel, and seeing how much of its rate is used (R30, R34)."""

import json
from typing import Any

import pytest

from publisher.domain.rate_limit import RateLimit
from storage import limits
from storage.database import Database
from storage.group_keys import GROUP_KEY
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.integration.rows import change, due_routes, execute


def limit(publisher: Publisher, *arguments: str) -> str:
    """Limits email as ann; returns what it printed."""
    done = publisher("channels", "limit", "email", *arguments, "--by", "ann", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def listed(publisher: Publisher) -> dict[str, Any]:
    """The limit of email as --json has it."""
    done = publisher("channels", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["channel"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["push"]["limit"] is None
    return dict(rows["email"]["limit"] or {})


def test_a_channel_is_slowed_and_let_go(database: Database, outside: Outside, publisher: Publisher) -> None:
    """A rate with its burst, no limit at all, and the limit of the settings again; each says what holds, and is kept
    with who did it and what held before (R34)."""
    said = [limit(publisher, *arguments) for arguments in (["14/s", "--burst", "28"], ["--none"], ["--default"])]

    assert said == [
        "email is limited to 14/s burst 28, set by ann\n",
        "email has no rate limit, set by ann\n",
        "email has no rate limit, by the settings\n",
    ]
    kept = outside.rows("SELECT action, by, target, done, outcome FROM operator_actions ORDER BY id")
    assert [(row["action"], row["by"], row["done"], row["outcome"]) for row in kept] == [
        ("limit-channel", "ann", 1, "done")
    ] * 3
    assert [row["target"] for row in kept] == [
        {"channel": "email", "limit": "14/s burst 28", "was": "none"},
        {"channel": "email", "limit": "none", "was": "14/s burst 28"},
        {"channel": "email", "limit": "default", "was": "none"},
    ]
    assert limits.read_limits(database) == {}


def test_a_dry_run_says_how_long_what_is_due_takes(database: Database, publisher: Publisher) -> None:
    """It counts the channel's due routes, and changes nothing (R34)."""
    due_routes(database, 3)

    said = [limit(publisher, *arguments, "--dry-run") for arguments in (["2/s"], ["--none"], ["1/s", "--json"])]

    assert said[0] == "email would be limited to 2/s burst 2: 3 routes are due: about 1.5 s\n"
    assert json.loads(said[2]) == {
        "channel": "email",
        "would_be": {"per_second": 1.0, "burst": 2},
        "due": 3,
        "seconds": 3.0,
    }
    assert limits.read_limits(database) == {}


def test_a_limit_that_holds_already_is_left_so(database: Database, outside: Outside, publisher: Publisher) -> None:
    """Nothing is asked, changed or recorded."""
    assert limit(publisher, "--default") == "email has no rate limit already, by the settings\n"
    limit(publisher, "600/m")

    again = publisher("channels", "limit", "email", "10/s", "--by", "bob")
    told = publisher("channels", "limit", "email", "10/s", "--json")

    assert (again.returncode, again.stdout) == (0, "email is limited to 10/s burst 10 already, set by ann\n")
    assert json.loads(told.stdout)["limit"]["per_second"] == 10
    assert len(outside.rows("SELECT id FROM operator_actions")) == 1


def test_the_list_shows_limit_origin_and_use(database: Database, publisher: Publisher, environ: dict[str, str]) -> None:
    """The limit of the settings, or the operator's, with how much of the rate was used in the last ten seconds."""
    environ["PUBLISHER_EMAIL_RATE"] = "100/s burst 7"
    by_setting = {"per_second": 100, "burst": 7, "origin": "setting", "set_by": None, "set_at": None}
    assert listed(publisher) == by_setting | {"published_per_second": 0, "used": 0}
    ids = due_routes(database, 50)
    limit(publisher, "10/s")
    execute(
        database,
        "UPDATE routes SET status = 'published', published_at = now() - interval '3 seconds', next_attempt_at = NULL"
        " WHERE id = ANY(%s)",
        ids,
    )

    found = listed(publisher)
    table = " ".join(publisher("channels", "list").stdout.split())
    status = " ".join(publisher("status").stdout.split())

    assert (found["origin"], found["set_by"], found["burst"]) == ("operator", "ann", 10)
    # As long as the ten seconds have not passed meanwhile.
    assert found["used"] in (0.5, 0)
    assert "Rate limits channel limit burst used set by since" in table
    assert "email 10/s 10" in table
    assert "email 10/s 10" in status


def test_without_limits_nothing_is_said_of_them(database: Database, publisher: Publisher) -> None:
    """The tables of a service that uses none look as before."""
    assert "limit" not in publisher("channels", "list").stdout.lower()
    assert "limit" not in publisher("status").stdout.lower()


def test_status_tells_of_the_limit(database: Database, publisher: Publisher) -> None:
    """As a part of its channel's fields, and as no fault of the workers where it makes routes late."""
    due_routes(database, 3)
    limits.set_limit(database, "email", RateLimit(1 / 3600, 1), "ann")

    done = publisher("status", "--json")
    fields = json.loads(done.stdout)

    assert fields["channels"]["email"]["limit"]["burst"] == 1
    assert "late" not in {finding["code"] for finding in fields["verdict"]["findings"]}


def test_a_due_route_says_what_it_waits_for(database: Database, outside: Outside, publisher: Publisher) -> None:
    """The limit, who set it, how many routes were due before it, and how long those take."""
    ids = due_routes(database, 120)
    limit(publisher, "30/m")
    [row] = outside.rows(
        "SELECT notification_id || '/' || route_id AS id FROM routes JOIN notifications AS n"
        f" ON n.id = notification_key WHERE routes.id = {ids[-1]}"
    )

    done = publisher("explain", row["id"], "--json")
    explained = json.loads(done.stdout)

    assert explained["state"] == "limited"
    [why] = [line for line in explained["why"] if "limit" in line]
    assert why == (
        "It waits for the rate limit of email, 30/m burst 2, set by ann: 119 routes of its lane or a more urgent one"
        " were due before it."
    )
    assert explained["next"] == [
        "A worker takes it within the limit: attempt 1 of 16. Those before it take about 3 min 58 s at this rate."
    ]
    assert explained["rate_limit"] == {
        "per_second": 0.5,
        "burst": 2,
        "set_by": "ann",
        "due_before": 119,
        "at_least": False,
        "seconds": 238.0,
        "is_shared": False,
    }


def test_a_due_route_counts_its_own_lane_and_those_more_urgent(
    database: Database, outside: Outside, publisher: Publisher
) -> None:
    """Of six urgent, six normal and six bulk routes that were due before, each lane's last counts what goes before."""
    ids = due_routes(database, 18)
    limit(publisher, "30/m")
    for lane, some in (("urgent", ids[2::3]), ("normal", ids[1::3]), ("bulk", ids[::3])):
        change(database, some, f"lane = '{lane}'")
    change(database, ids, f"group_key = {GROUP_KEY}")

    counted = {
        lane: limits.due_before(database, "email", id_, lanes, bound=100)
        for lane, id_, lanes in (
            ("bulk", ids[15], ["urgent", "normal", "bulk"]),
            ("normal", ids[16], ["urgent", "normal"]),
            ("urgent", ids[17], ["urgent"]),
        )
    }

    assert counted == {"bulk": 15, "normal": 10, "urgent": 5}
    [row] = outside.rows(
        "SELECT notification_id || '/' || route_id AS id FROM routes JOIN notifications AS n"
        f" ON n.id = notification_key WHERE routes.id = {ids[17]}"
    )
    explained = json.loads(publisher("explain", row["id"], "--json").stdout)
    assert "5 routes of its lane or a more urgent one were due before it" in str(explained["why"])
    assert explained["next"][-1] == "Lanes and fair shares may bring it sooner or later."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fax", "14/s", "--yes"], "there is no channel 'fax'; channels: email, push"),
        (["email", "--yes"], "give one of a rate such as 14/s, --none and --default"),
        (["email", "14/s", "--none", "--yes"], "give one of a rate such as 14/s, --none and --default"),
        (["email", "14", "--yes"], "the rate '14' must be a number of commands a second, minute or hour"),
        (["email", "14/s", "--burst", "0", "--yes"], "must have a burst from 1 to 1000000"),
        (["email", "--none", "--burst", "3", "--yes"], "--burst goes with a rate such as 14/s"),
        (
            ["email", "14/s"],
            "Limit email to 14/s burst 14? 0 routes are due. Standard input is no terminal to ask on: pass --yes",
        ),
    ],
)
def test_what_cannot_be_done_is_said(database: Database, publisher: Publisher, arguments: list[str], said: str) -> None:
    """A wrong rate, a wrong name or a missing --yes is one line and exit code 2, and changes nothing."""
    done = publisher("channels", "limit", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert limits.read_limits(database) == {}
