"""`publisher mailer suppressions`: seeing, adding and removing addresses that nothing is sent to (R33, R34)."""

import json
from datetime import timedelta
from typing import Any

from publisher.domain.suppression import SuppressionReason
from storage.actions import ActionFilter, list_actions
from storage.database import Database
from storage.mail.suppressions import add_suppression, find_suppression
from tests.acceptance.conftest import Publisher
from tests.integration.rows import count
from tests.integration.storage.mail.test_suppressions import of, suppressed

COMMAND = ("mailer", "suppressions")


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_an_address_is_suppressed_and_let_go_again(database: Database, publisher: Publisher) -> None:
    """Each change says what it did, and is on record (R34)."""
    added = publisher(*COMMAND, "add", "Ann@Example.com", "--note", "asked us to stop", "--by", "bob", "--yes")

    assert added.stdout == "ann@example.com is suppressed until it is removed\n", added.stderr
    listed = publisher(*COMMAND, "list", "--json")
    assert [(s["address"], s["reason"], s["note"], s["expires_at"]) for s in lines(listed.stdout)] == [
        ("ann@example.com", "operator", "asked us to stop", None)
    ]

    removed = publisher(*COMMAND, "remove", "ann@example.com", "--by", "eve", "--yes")
    assert removed.stdout == "ann@example.com is no longer suppressed\n", removed.stderr
    assert find_suppression(database, "ann@example.com") is None
    actions = list_actions(database, ActionFilter(), before=None, limit=9)
    assert [(a.action, a.by, a.outcome.value, a.done) for a in actions] == [
        ("remove-suppression", "eve", "done", 1),
        ("add-suppression", "bob", "done", 1),
    ]


def test_a_dry_run_changes_nothing(database: Database, publisher: Publisher) -> None:
    """It says what there is now."""
    add_suppression(database, "bob@example.com", None, "ann", timedelta(days=1))

    add = publisher(*COMMAND, "add", "ann@example.com", "--days", "7", "--dry-run")
    remove = publisher(*COMMAND, "remove", "bob@example.com", "--dry-run", "--json")

    assert add.stdout == "ann@example.com would be suppressed for 7 days\n", add.stderr
    assert lines(remove.stdout)[0]["added_by"] == "ann"
    assert count(database, "mail_suppressions") == 1


def test_what_events_suppressed_is_listed_with_its_delivery(database: Database, publisher: Publisher) -> None:
    """Filtered by reason and by domain, page by page."""
    assert publisher(*COMMAND, "list").stdout == "there is no suppressed address\n"
    suppressed(database, of("ann@example.com"))
    suppressed(database, of("bob@example.com"))
    suppressed(database, of("eve@example.net", SuppressionReason.COMPLAINED))

    complained = publisher(*COMMAND, "list", "--reason", "complained")
    first = publisher(*COMMAND, "list", "--domain", "EXAMPLE.com", "--limit", "1")
    second = publisher(*COMMAND, "list", "--domain", "example.com", "--limit", "1", "--before", "bob@example.com")

    assert "n/email:user:7" in complained.stdout
    assert "ann@" not in complained.stdout
    assert first.stdout.endswith("more: --before bob@example.com\n")
    assert ("ann@example.com" in second.stdout, "eve" in second.stdout) == (True, False)


def test_what_cannot_be_done_is_said_in_one_line(database: Database, publisher: Publisher) -> None:
    """Without the address in it (R36)."""
    absent = publisher(*COMMAND, "remove", "ann@example.com", "--yes")
    unasked = publisher(*COMMAND, "add", "ann@example.com")
    no_address = publisher(*COMMAND, "add", "ann", "--yes")

    assert (absent.returncode, absent.stderr.count("\n")) == (1, 1)
    assert absent.stderr.startswith("publisher: this address is not suppressed")
    assert (unasked.returncode, "pass --yes, or --dry-run" in unasked.stderr) == (2, True)
    assert (no_address.returncode, "ADDRESS must be an email address" in no_address.stderr) == (2, True)
    assert find_suppression(database, "ann@example.com") is None


def test_an_address_that_no_mail_can_be_sent_to_is_not_added(publisher: Publisher) -> None:
    """In the form of a header it would be suppressed, and mail to the address itself still sent (R33)."""
    for address in ("<ann@example.com>", f"{'a' * 400}@example.com", "mailto:ann@example.com>"):
        refused = publisher(*COMMAND, "add", address, "--yes")

        assert (refused.returncode, "ADDRESS must be an email address" in refused.stderr) == (2, True)
    assert publisher(*COMMAND, "add", "Ann@bücher.example.", "--yes").stdout.startswith("ann@xn--bcher-kva.example is")
