"""`publisher routes`: looking at routes, a page or one whole."""

import json
import subprocess
from collections.abc import Mapping

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside, users
from tests.factories import accepted
from tests.processes import ROOT, complete, run_on_terminal

ID = "SELECT notification_id::text AS id FROM notifications WHERE notification_type = %s"


@pytest.fixture
def filled(database: Database, outside: Outside) -> Outside:
    """Ten routes of two notifications; of the first's email routes one is published, one failed twice."""
    accepted(
        database,
        [
            {"recipients_json": [*users(3), {"user_id": "9"}]},
            {"recipients_json": users(1), "notification_type": "game.over"},
        ],
    )
    outside.rows(
        "UPDATE routes SET status = 'published', published_at = '2026-03-14 09:26:53.589Z', next_attempt_at = NULL,"
        " stream_entry_id = '17-1' WHERE id = (SELECT min(id) FROM routes)"
    )
    outside.rows(
        "UPDATE routes SET status = 'failed', attempt_count = 2, last_failure_at = now(), last_failure_message = 'no',"
        " last_failure_classification = 'mail_stream_publish_failed', lease_token = 'secret-token',"
        " lease_expires_at = now() WHERE route_id = 'email:user:1'"
    )
    return outside


def listed(publisher: Publisher, *arguments: str) -> list[dict[str, object]]:
    """The routes that are listed with these arguments."""
    done = publisher("routes", "list", "--json", *arguments)
    # Where nothing is listed, a sentence says so.
    assert (done.returncode, bool(done.stderr)) == (0, not done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_list_is_newest_first_and_goes_on_page_by_page(filled: Outside, publisher: Publisher) -> None:
    """Pages of `--limit` routes, each begun `--before` the last id of the one before, show every route once."""
    pages = [listed(publisher, "--limit", "4")]
    for _ in range(2):
        pages.append(listed(publisher, "--limit", "4", "--before", str(pages[-1][-1]["id"])))

    ids = [route["id"] for page in pages for route in page]
    assert [len(page) for page in pages] == [4, 4, 2]
    assert ids == [row["id"] for row in filled.rows("SELECT id FROM routes ORDER BY id DESC")]


def test_the_next_page_is_asked_for_by_the_id_that_leads_a_row(filled: Outside, publisher: Publisher) -> None:
    """The terminal's table shows no bare number, which could be of another kind: the delivery id is the cursor."""
    first = publisher("routes", "list", "--limit", "4").stdout
    last = listed(publisher, "--limit", "4")[-1]
    assert first.endswith(f"more: --before {last['delivery_id']}\n")
    assert first.splitlines()[-2].split()[0] == last["delivery_id"]

    by_delivery = listed(publisher, "--limit", "4", "--before", str(last["delivery_id"]))
    by_number = listed(publisher, "--limit", "4", "--before", str(last["id"]))
    whole = publisher("routes", "list", "--limit", "1", "--before", str(last["notification_id"]))

    assert by_delivery == by_number != []
    assert (whole.returncode, whole.stdout) == (2, "")
    assert "--before takes the delivery_id of one route" in whole.stderr


def test_a_route_shown_whole_has_no_bare_number(filled: Outside, publisher: Publisher) -> None:
    """Its delivery id leads to it in every command; a bare number would lead to a record of another kind."""
    id_ = filled.row(ID, "game.over")["id"]

    names = [line.split()[0] for line in publisher("routes", "show", f"{id_}/push:user:0").stdout.splitlines()]

    assert names[0] == "delivery_id"
    assert "id" not in names


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--channel", "email", "--status", "pending"], 2),
        (["--status", "skipped"], 1),
        (["--type", "game.over", "--channel", "push"], 1),
        (["--channel", "push", "--status", "failed"], 0),
    ],
)
def test_a_list_shows_what_matches_every_filter(
    filled: Outside, publisher: Publisher, arguments: list[str], count: int
) -> None:
    """Filters narrow together."""
    assert len(listed(publisher, *arguments)) == count


def test_a_route_is_shown_whole_by_either_form_of_its_id(filled: Outside, publisher: Publisher) -> None:
    """Two ids or one delivery id name the same route; instants are UTC milliseconds; no token is shown (R1, R2)."""
    id_ = filled.row(ID, "game.turn.ready")["id"]

    by_two = publisher("routes", "show", id_, "email:user:0", "--json")
    by_one = publisher("routes", "show", f"{id_}/email:user:0", "--json")
    leased = publisher("routes", "show", f"{id_}/email:user:1", "--json")

    assert (by_two.returncode, by_two.stderr) == (0, "")
    assert by_one.stdout == by_two.stdout
    shown = json.loads(by_two.stdout)
    assert (
        shown.items()
        >= {
            "delivery_id": f"{id_}/email:user:0",
            "notification_type": "game.turn.ready",
            "channel": "email",
            "status": "published",
            "resolved_email": "user0@example.com",
            "published_at": "2026-03-14T09:26:53.589Z",
            "next_attempt_at": None,
            "stream_entry_id": "17-1",
        }.items()
    )
    assert json.loads(leased.stdout)["last_failure_classification"] == "mail_stream_publish_failed"
    assert "secret-token" not in leased.stdout


def test_a_notification_id_alone_shows_all_of_its_routes(filled: Outside, publisher: Publisher) -> None:
    """Without a route id every route of the notification is shown."""
    id_ = filled.row(ID, "game.over")["id"]

    done = publisher("routes", "show", id_, "--json")

    assert [json.loads(line)["route_id"] for line in done.stdout.splitlines()] == ["email:user:0", "push:user:0"]


@pytest.mark.parametrize("command", ["routes list", "status"])
def test_a_table_is_readable_at_80_columns(environ: dict[str, str], filled: Outside, command: str) -> None:
    """On a narrow terminal no id, status or heading is broken, and no line is too long."""
    code, shown = run_on_terminal("publisher", *command.split(), environ=environ | {"NO_COLOR": "1", "TERM": "dumb"})

    assert code == 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    whole = [filled.row(ID, "game.over")["id"], "email:user:1", "pending", "failed", "published", "skipped"]
    assert all(text in shown for text in (whole if "list" in command else whole[2:]))


def test_a_wide_table_shows_every_column(filled: Outside, publisher: Publisher) -> None:
    """Where no terminal is, nothing is left out."""
    done = publisher("routes", "list")

    (row,) = [line.split() for line in done.stdout.splitlines() if "email:user:1" in line]
    assert row[1:3] == ["failed", "2/16"]
    assert "failed attempts" in done.stdout
    assert row[-4:] == ["mail_stream_publish_failed", "game.turn.ready", "–", "–"]


@pytest.mark.parametrize("arguments", ["routes list --json --limit 10000", "routes list --limit 10000", "--help"])
def test_a_reader_that_stops_early_hears_no_complaint(
    environ: Mapping[str, str], database: Database, arguments: str
) -> None:
    """`| head -1` ends the command quietly, however much it had to say."""
    accepted(database, [{"recipients_json": users(500)}])

    piped = subprocess.run(
        f"publisher {arguments} | head -1", shell=True, env=complete(environ), cwd=ROOT, capture_output=True, check=True
    )

    assert piped.stderr == b""
    assert piped.stdout.count(b"\n") == 1
