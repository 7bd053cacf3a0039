"""`publisher mailer held`: an operator sees what may have been accepted, and says what is done (R33, R34)."""

import json
from typing import Any

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.integration.mail_rows import held_mail, sent_mail
from tests.integration.rows import rows
from tests.mail_run import answers, events, states

COMMAND = ("mailer", "held")


def said(output: str) -> dict[str, Any]:
    return dict(json.loads(output))


def test_held_messages_are_listed_without_their_recipients(database: Database, publisher: Publisher) -> None:
    """Page by page; where nothing is held, that is said (R36)."""
    assert publisher(*COMMAND, "list").stdout == "there is no held message\n"
    older, newer = held_mail(database, "ann@example.com", hours_ago=2), held_mail(database, "bob@example.com")

    page = publisher(*COMMAND, "list", "--limit", "1")
    rest = publisher(*COMMAND, "list", "--before", newer, "--json")

    assert newer in page.stdout, page.stderr
    assert page.stdout.endswith(f"more: --before {newer}\n")
    assert "@example.com" not in page.stdout + rest.stdout
    shown = said(rest.stdout)
    assert (shown["delivery_id"], shown["notification_type"]) == (older, "game.turn.ready")
    assert (shown["unsure"], shown["tries"]) == (1, 2)


def test_one_is_sent_again_by_its_id(database: Database, publisher: Publisher) -> None:
    """Of what was sent meanwhile it says that nothing is held, and where to look."""
    delivery_id, sent = held_mail(database), sent_mail(database)
    counted = publisher(*COMMAND, "send", delivery_id, "--dry-run")

    done = publisher(*COMMAND, "send", *delivery_id.split("/"), "--by", "ann", "--yes")
    other = publisher(*COMMAND, "send", sent, "--yes")

    assert counted.stdout == "1 matched, 0 requeued\n", counted.stderr
    assert done.stdout == "1 matched, 1 requeued (action 1)\n", done.stderr
    assert states(database) == {"waiting": 1, "sent": 1}
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
    assert other.stderr.startswith(f"publisher: no message of {sent} is held: 'publisher trace'")
    status = publisher("status")
    assert "mail deferred" in status.stdout
    assert "1, the oldest for" in status.stdout


def test_all_are_settled_as_the_operator_says(database: Database, publisher: Publisher) -> None:
    """One action is on record, each delivery has an event, and status says before that they wait."""
    for _ in range(3):
        held_mail(database)
    status = said(publisher("status", "--json").stdout)
    [finding] = [each for each in status["verdict"]["findings"] if each["code"] == "held_mail"]
    assert (finding["level"], finding["count"], finding["remedy"]) == ("warning", 3, "publisher mailer held list")

    done = publisher(*COMMAND, "settle", "--all", "--as", "accepted", "--by", "ann", "--yes", "--json")

    assert said(done.stdout) == {"action": 1, "matched": 3, "settled": 3, "outcome": "done"}, done.stderr
    assert (states(database), answers(database), events(database)) == (
        {"sent": 3},
        {"accepted": 3},
        ["accepted"] * 3,
    )
    [action] = rows(database, "SELECT action, by, done, target FROM operator_actions")
    assert (action["action"], action["by"], action["done"]) == ("settle-held-mail", "ann", 3)
    assert action["target"]["settled_as"] == "accepted"


def test_the_rest_of_an_action_is_done_as_it_was_begun(database: Database, publisher: Publisher) -> None:
    """--resume takes from it which messages, and as what they are settled; what was held since is left."""
    held_mail(database, hours_ago=1)
    rows(
        database,
        "INSERT INTO operator_actions (action, by, target, matched, begun_at, ended_at, outcome) VALUES"
        " ('settle-held-mail', 'ann', jsonb_build_object('settled_as', 'failed', 'until', now() - interval '1 minute'),"
        " 2, now(), now(), 'interrupted') RETURNING id",
    )
    held_mail(database)

    done = publisher(*COMMAND, "settle", "--resume", "1", "--yes")

    assert done.stdout == "2 matched, 1 settled (action 1)\n", done.stderr
    assert states(database) == {"given_up": 1, "held": 1}


def test_what_is_not_said_is_asked_for(database: Database, publisher: Publisher) -> None:
    """Which messages, and as what: nothing is changed by a command line that leaves it open."""
    held_mail(database)

    for arguments, message in (
        (["send"], "name a delivery, or say --all, and not both"),
        (["settle", "--all"], "say what became of them: --as accepted or --as failed"),
        (["send", "--all", "--resume", "1"], "--resume takes its messages from the action"),
        (["send", "--all"], "Send 1 held message again? Some may arrive twice."),
        (["settle", "--resume", "1"], "this command takes an action's id"),
    ):
        done = publisher(*COMMAND, *arguments)
        assert (message in done.stderr, done.stderr.count("\n")) == (True, 1), (arguments, done.stderr)
        assert done.returncode in (1, 2), arguments
    assert states(database) == {"held": 1}
