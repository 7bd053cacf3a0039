"""`publisher actions`: what operators changed, and taking up again what they did not finish (R34)."""

import json

from storage.actions import ActionOutcome, begin_action, end_action
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.processes import run_on_terminal


def test_actions_are_listed_newest_first_filtered_and_paged(database: Database, publisher: Publisher) -> None:
    """Every kind of action, in the same columns; `--before` goes on where a page ended."""
    for action, by in [("pause-channel", "ann"), ("requeue-dead-letters", "ann"), ("pause-channel", "bob")]:
        end_action(database, begin_action(database, action, by, {"channel": "email"}, 1), ActionOutcome.DONE)

    def listed(*arguments: str) -> list[int]:
        done = publisher("actions", "list", "--json", *arguments)
        # Where nothing is listed, a sentence says so.
        assert (done.returncode, bool(done.stderr)) == (0, not done.stdout)
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]

    assert listed() == [3, 2, 1]
    assert listed("--action", "pause-channel", "--by", "ann", "--outcome", "done") == [1]
    assert listed("--since", "2026-01-01", "--until", "2026-01-02") == []
    page = publisher("actions", "list", "--limit", "2").stdout
    assert "requeue-dead-letters" in page
    assert "channel=email" in page
    assert "more: --before 2" in page
    assert listed("--limit", "2", "--before", "2") == [1]


def test_the_table_says_of_what_and_counts_only_what_was_counted(database: Database, publisher: Publisher) -> None:
    """Everything is `all`, without the bound of its ids; a pause or a resume changes a channel, and counts nothing."""
    for action, target in [
        ("discard-dead-letters", {"up_to": 3}),
        ("discard-dead-letters", {"channel": "push", "up_to": 3}),
        ("pause-channel", {"channel": "email", "reason": "x"}),
        ("resume-channel", {"channel": "email", "was": "paused"}),
    ]:
        end_action(database, begin_action(database, action, "ann", target, 1), ActionOutcome.DONE)

    lines = [line.split() for line in publisher("actions", "list").stdout.splitlines() if " ann " in line]

    assert [(line[4:6], line[8:]) for line in lines] == [
        (["–", "–"], ["channel=email", "was=paused"]),
        (["–", "–"], ["channel=email", "reason=x"]),
        (["1", "0"], ["channel=push"]),
        (["1", "0"], ["all"]),
    ]
    assert json.loads(publisher("actions", "list", "--json").stdout.splitlines()[-1])["target"] == {"up_to": 3}


def test_one_is_shown_whole(database: Database, publisher: Publisher) -> None:
    """Who, when, aimed at what, how many, how it ended: for people and for machines, with stable names."""
    id_ = begin_action(database, "requeue-dead-letters", "ann", {"channel": "email", "up_to": 1234}, 7)

    shown = json.loads(publisher("actions", "show", str(id_), "--json").stdout)

    assert list(shown) == [
        *("id", "action", "by", "target", "matched", "done", "outcome", "begun_at", "ended_at"),
    ]
    assert shown["target"] == {"channel": "email", "up_to": 1234}
    assert (shown["outcome"], shown["ended_at"]) == ("running", None)
    assert "channel=email up_to=1234" in publisher("actions", "show", str(id_)).stdout


def test_hostile_names_are_shown_and_not_obeyed(
    database: Database, publisher: Publisher, environ: dict[str, str]
) -> None:
    """An operator may call himself what he likes, and aim at what he likes: no terminal obeys it."""
    begin_action(database, "pause-channel", "\x1b[2Jann\r\n", {"reason": "\x1b]0;owned\x07"}, 1)

    code, on_terminal = run_on_terminal("publisher", "actions", "list", environ=environ, columns=200)

    for shown in (on_terminal, publisher("actions", "show", "1").stdout):
        assert "?[2Jann" in shown
        assert "?]0;owned?" in shown
        assert "\x1b[2J" not in shown
        assert "\x1b]0" not in shown
    assert code == 0


def test_only_an_unfinished_action_of_the_same_kind_is_taken_up(
    database: Database, outside: Outside, publisher: Publisher
) -> None:
    """Another kind, one that is done, one that never was, or a filter besides: refused in one line."""
    pause = begin_action(database, "pause-channel", "ann", {"channel": "email"}, 1)
    finished = begin_action(database, "requeue-dead-letters", "ann", {"up_to": 3}, 1)
    end_action(database, finished, ActionOutcome.DONE)
    open_ = begin_action(database, "requeue-dead-letters", "ann", {"up_to": 3}, 1)
    before = outside.rows("SELECT * FROM operator_actions ORDER BY id")

    for arguments, code, said in [
        (["--resume", str(pause)], 2, f"action {pause} is 'pause-channel'"),
        (["--resume", str(finished)], 2, f"action {finished} is done"),
        (["--resume", "99"], 1, "the number of every operator action"),
        (["--resume", str(open_), "--channel", "push"], 2, "give no others"),
        (["--resume", str(open_), "--all"], 2, "give no others"),
        (["--resume", str(open_)], 2, f"Requeue the rest of action {open_}, 0 dead letters?"),
    ]:
        done = publisher("dead-letters", "requeue", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
        assert said in done.stderr

    assert outside.rows("SELECT * FROM operator_actions ORDER BY id") == before
    done = publisher("dead-letters", "requeue", "--resume", str(open_), "--yes", "--json")
    assert json.loads(done.stdout) == {
        "action": open_,
        "matched": 1,
        "requeued": 0,
        "past_deadline": 0,
        "outcome": "done",
    }
