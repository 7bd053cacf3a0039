"""`publisher routes republish --answer`: sending again what was answered with something but success (R32, R34)."""

import json

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.integration.answered_routes import answer, published_routes


@pytest.fixture
def failed(database: Database, outside: Outside) -> Outside:
    """Four published email routes: failed for the content, failed for a system, bounced, and unanswered."""
    ids = published_routes(database, 4)
    answer(database, ids[0], "failed", fault="content")
    answer(database, ids[1], "failed", fault="infrastructure")
    answer(database, ids[2], "bounced", fault="recipient")
    return outside


def pending(outside: Outside) -> list[str]:
    """The route ids that are pending."""
    return [r["route_id"] for r in outside.rows("SELECT route_id FROM routes WHERE status = 'pending' ORDER BY id")]


def test_what_failed_is_published_again(failed: Outside, publisher: Publisher) -> None:
    """All that failed, whenever it was published; the filter stands in the audit, and a rest is done by it."""
    counted = publisher("routes", "republish", "--answer", "failed", "--dry-run", "--json")
    assert json.loads(counted.stdout)["matched"] == 2
    assert pending(failed) == []

    chosen = ["--answer", "failed", "--fault", "infrastructure"]
    done = publisher("routes", "republish", *chosen, "--by", "ann", "--yes")

    assert (done.returncode, done.stdout) == (0, "1 matched, 1 republished (action 1)\n")
    assert pending(failed) == ["email:user:1"]
    target = failed.row("SELECT target FROM operator_actions")["target"]
    assert {"answer": "failed", "fault": "infrastructure"}.items() <= target.items()


def test_the_rest_is_done_by_the_filter_of_the_action(failed: Outside, publisher: Publisher) -> None:
    """`--resume` takes answer and fault from the audit."""
    failed.rows(
        "INSERT INTO operator_actions (action, by, target, matched, begun_at, ended_at, outcome)"
        " VALUES ('republish-routes', 'ann', %s, 2, now(), now(), 'interrupted')",
        json.dumps({"answer": "failed", "fault": "content", "until": "2100-01-01T00:00:00+00:00"}),
    )

    done = publisher("routes", "republish", "--resume", "1", "--yes")

    assert (done.returncode, done.stderr) == (0, "")
    assert pending(failed) == ["email:user:0"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--answer none", "say since when: --since 1h"),
        ("--answer delivered", "say since when: --since 1h"),
        ("--answer complained", "a recipient who complained is not sent the same again"),
        ("--answer delivered --since 1h --fault content", "nothing is at fault where the answer is delivered"),
    ],
)
def test_what_would_send_too_much_is_refused(failed: Outside, publisher: Publisher, options: str, says: str) -> None:
    """All the unanswered and delivered of all times are not taken by a slip, and no complaint is answered so."""
    done = publisher("routes", "republish", *options.split(), "--yes")

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert pending(failed) == []


def test_the_unanswered_of_a_window_are_published_again(failed: Outside, publisher: Publisher) -> None:
    """Those that nobody has answered, of the time that is named."""
    done = publisher(*["routes", "republish", "--answer", "none", "--since", "1h", "--yes"])

    assert (done.returncode, done.stderr) == (0, "")
    assert pending(failed) == ["email:user:3"]
