"""An action on many routes that is paced, interrupted and taken up again: each route once, and a true number."""

import json
import signal
from datetime import timedelta

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.final_routes import BURY, PUBLISH
from tests.acceptance.outside import Outside, users
from tests.factories import accepted
from tests.processes import Process, Processes
from tests.waiting import wait_until

COMMANDS = {
    "requeue": "publisher dead-letters requeue --all",
    "republish": "publisher routes republish --since 2026-03-01",
}
PAST = {"requeue": "requeued", "republish": "republished"}


@pytest.fixture(params=["requeue", "republish"])
def verb(request: pytest.FixtureRequest, database: Database, outside: Outside) -> str:
    """Which action it is: on 40 dead letters, or on 40 published routes."""
    accepted(database, [{"recipients_json": users(20)}])
    outside.rows(BURY if request.param == "requeue" else PUBLISH)
    return str(request.param)


def begun(processes: Processes, outside: Outside, verb: str, rate: int = 20) -> Process:
    """The paced action, once it has changed some routes and before it has changed all."""
    process = processes.start(f"{COMMANDS[verb]} --rate {rate} --yes --json")
    wait_until(
        lambda: 0 < outside.statuses().get("pending", 0) < 30,
        describe=lambda: (outside.statuses(), process.output),
    )
    return process


def action(outside: Outside) -> dict[str, object]:
    """The only action's row."""
    return outside.row("SELECT id, matched, done, outcome, target, ended_at IS NULL AS open FROM operator_actions")


def reported(process: Process) -> dict[str, object]:
    """The JSON object that the process printed."""
    (line,) = [line for line in process.output.splitlines() if line.startswith("{")]
    return dict(json.loads(line))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_action_says_how_to_go_on_and_its_rest_is_done_once(
    verb: str, outside: Outside, processes: Processes, publisher: Publisher, number: signal.Signals
) -> None:
    """Ctrl-C ends it between two batches; --resume does what is left; every route is taken exactly once (R34)."""
    process = begun(processes, outside, verb)
    process.signal(number, group=True)

    assert process.wait() == 130
    pending = outside.statuses()["pending"]
    assert 0 < pending < 40
    row = action(outside)
    assert (row["matched"], row["done"], row["outcome"], row["open"]) == (40, pending, "interrupted", False)
    command = COMMANDS[verb].partition(" --")[0]
    assert f"interrupted; go on with: {command} --resume {row['id']}" in process.output
    late = {"past_deadline": 0} if verb == "requeue" else {}
    what = {"action": row["id"], "matched": 40, PAST[verb]: pending, **late, "outcome": "interrupted"}
    assert reported(process) == what
    before = outside.rows("SELECT id, xmin::text FROM routes WHERE status = 'pending' ORDER BY id")

    done = publisher(*command.split()[1:], "--resume", str(row["id"]), "--yes", "--by", "bob")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"40 matched, 40 {PAST[verb]} (action {row['id']})\n"
    assert outside.statuses() == {"pending": 40}
    after = outside.rows("SELECT id, xmin::text FROM routes WHERE id = ANY(%s) ORDER BY id", [r["id"] for r in before])
    assert after == before, "a route was changed twice"
    row = action(outside)
    assert (row["done"], row["outcome"]) == (40, "done")
    assert row["target"]["resumed_by"] == ["bob"]  # type: ignore[index]


def test_a_killed_action_leaves_a_true_number_and_can_be_taken_up(
    verb: str, outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """The count is committed with each batch: kill -9 leaves 'running' and what was really done (R34)."""
    process = begun(processes, outside, verb)
    process.kill()

    # In one statement: the last batch may be committed after the process is gone.
    row = outside.row(
        "SELECT id, outcome, done, (SELECT count(*) FROM routes WHERE status = 'pending') AS pending"
        " FROM operator_actions"
    )
    assert (row["outcome"], row["done"]) == ("running", row["pending"])
    command = COMMANDS[verb].partition(" --")[0].split()[1:]
    done = publisher(*command, "--resume", str(row["id"]), "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    row = action(outside)
    assert (row["done"], row["outcome"]) == (40, "done")
    assert outside.statuses() == {"pending": 40}


def test_two_that_take_up_the_same_action_take_each_route_once(
    verb: str, outside: Outside, processes: Processes
) -> None:
    """Resumed twice at once, or while it still runs, the action counts no route twice (R15)."""
    # Slow enough for the second to begin before the first is done.
    first = begun(processes, outside, verb, rate=5)
    command = COMMANDS[verb].partition(" --")[0]
    second = processes.start(f"{command} --resume {action(outside)['id']} --yes")

    assert (first.wait(), second.wait()) == (0, 0)
    row = action(outside)
    assert (row["done"], row["outcome"]) == (40, "done")
    assert outside.statuses() == {"pending": 40}


def test_the_rate_is_kept_to(verb: str, outside: Outside, processes: Processes) -> None:
    """With --rate 20, forty routes take two seconds or nearly: they become due spread over that time (R34)."""
    process = processes.start(f"{COMMANDS[verb]} --rate 20 --yes")

    assert process.wait() == 0
    spread = outside.row(
        "SELECT count(DISTINCT next_attempt_at) AS batches, max(next_attempt_at) - min(next_attempt_at) AS span,"
        " count(*) AS routes FROM routes WHERE status = 'pending'"
    )
    assert spread["routes"] == 40
    assert spread["batches"] >= 8
    # The last batch need not be waited for.
    assert spread["span"] >= timedelta(seconds=35 / 20)


def test_what_ends_again_meanwhile_is_not_taken_twice(
    verb: str, outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """A dead letter given up again, or a route published again, since the action began is not its matter (R34)."""
    process = begun(processes, outside, verb)
    process.signal(signal.SIGINT)
    process.wait()
    taken = [r["id"] for r in outside.rows("SELECT id FROM routes WHERE status = 'pending'")]
    again = {
        "requeue": BURY.replace("ORDER BY routes.id", "WHERE routes.status = 'pending'").replace(
            "'2026-03-14Z'::timestamptz + routes.id * interval '1 day'", "now()"
        ),
        "republish": "UPDATE routes SET status = 'published', next_attempt_at = NULL, published_at = now()"
        " WHERE status = 'pending'",
    }
    outside.rows(again[verb])

    done = publisher(
        *COMMANDS[verb].partition(" --")[0].split()[1:], "--resume", str(action(outside)["id"]), "--yes", "--json"
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[PAST[verb]] == 40
    left = outside.rows("SELECT id FROM routes WHERE status <> 'pending' ORDER BY id")
    assert [r["id"] for r in left] == sorted(taken)


def test_a_database_that_fails_in_the_middle_leaves_advice(
    verb: str, outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """What fails is said in one line, with how to go on; the audit says 'failed' (R34)."""
    process = begun(processes, outside, verb)
    outside.rows("ALTER TABLE routes ADD CONSTRAINT broken CHECK (status <> 'pending') NOT VALID")

    assert process.wait() == 1
    row = action(outside)
    assert (row["outcome"], row["done"]) == ("failed", outside.statuses()["pending"])
    assert f"go on with: {COMMANDS[verb].partition(' --')[0]} --resume {row['id']}" in process.output
    assert "Traceback" not in process.output
