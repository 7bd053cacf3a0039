"""`publisher tokens`: making a token, which is shown once, seeing whose there are, and revoking one (R34, R36)."""

import json
import re

import pytest

from publisher.domain.door_token import token_hash
from storage.actions import ActionFilter, list_actions
from storage.database import Database
from storage.tokens import list_tokens, token_of_hash
from tests.acceptance.conftest import Publisher
from tests.integration.rows import rows

ADD = ("tokens", "add", "shop", "--purpose", "the web shop", "--by", "ann")


def test_a_token_is_shown_once_and_kept_as_a_hash(database: Database, publisher: Publisher) -> None:
    """It stands alone on standard output; PostgreSQL, the audit and the list know nothing but its hash (R36)."""
    done = publisher(*ADD)

    token = done.stdout.removesuffix("\n")
    assert re.fullmatch(r"npt_[A-Za-z0-9_-]{43}", token), done.stderr
    assert done.stderr == "publisher: token 1: intents of shop, for the web shop; it is shown this once\n"
    found = token_of_hash(database, token_hash(token))
    assert found is not None
    assert (found.producer, [*found.sends], found.created_by) == ("shop", ["intents"], "ann")
    kept = str(rows(database, "SELECT * FROM door_tokens")) + str(rows(database, "SELECT * FROM operator_actions"))
    assert token not in kept
    assert token[4:] not in publisher("tokens", "list", "--all", "--json").stdout


def test_a_token_is_revoked_once(database: Database, publisher: Publisher) -> None:
    """It finds nobody any more; the audit has both changes, and who made them (R34)."""
    token = publisher(*ADD, "--sends", "events", "--sends", "intents").stdout.strip()

    done = publisher("tokens", "revoke", "1", "--by", "bob", "--yes")
    again = publisher("tokens", "revoke", "1", "--yes")

    assert done.stdout == "token 1 is revoked: intents and events of shop, for the web shop\n", done.stderr
    assert token_of_hash(database, token_hash(token)) is None
    assert (again.returncode, again.stderr) == (2, "publisher: token 1 was revoked before, by bob\n")
    actions = list_actions(database, ActionFilter(), before=None, limit=9)
    assert [(a.action, a.by, a.outcome.value, a.done) for a in actions] == [
        ("revoke-token", "bob", "done", 1),
        ("add-token", "ann", "done", 1),
    ]


def test_tokens_are_listed(database: Database, publisher: Publisher) -> None:
    """Whose each is, what for, and when it was last used; those that were revoked only with --all."""
    assert publisher("tokens", "list").stdout == "there is no token\n"
    token = publisher(*ADD).stdout.strip()
    publisher("tokens", "add", "our-gateway", "--sends", "events", "--purpose", "answers")
    publisher("tokens", "revoke", "2", "--yes")
    assert list_tokens(database)[0].last_used_at is None
    token_of_hash(database, token_hash(token))

    [listed] = [json.loads(line) for line in publisher("tokens", "list", "--json").stdout.splitlines()]
    whole = publisher("tokens", "list", "--all").stdout

    assert (listed["id"], listed["producer"], listed["sends"]) == (1, "shop", ["intents"])
    assert listed["last_used_at"].endswith("Z")
    assert "our-gateway" in whole
    assert "revoked by" in whole


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", " ", "--purpose", "x"), "PRODUCER must be a name that its intents have"),
        (("add", "x" * 65, "--purpose", "x"), "PRODUCER must be a name that its intents have"),
        (("add", "shop", "--purpose", " "), "--purpose must not be blank"),
        (("add", "mailer", "--sends", "events", "--purpose", "x"), "of the source 'mailer' are this service's own"),
        (("revoke", "7", "--yes"), "there is no token 7: 'publisher tokens list --all' shows those there are"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    database: Database, publisher: Publisher, arguments: tuple[str, ...], why: str
) -> None:
    """One line says what to give instead, and nothing is made."""
    done = publisher("tokens", *arguments)

    assert done.returncode != 0
    assert why in " ".join(done.stderr.split())
    assert list_tokens(database) == []


def test_nobody_is_asked_where_there_is_no_terminal(database: Database, publisher: Publisher) -> None:
    """Then --yes is wanted, the question is shown, and the token lets its holder in as before."""
    publisher(*ADD)

    done = publisher("tokens", "revoke", "1")

    assert done.returncode == 2
    assert "Revoke token 1, never used: intents of shop, for the web shop?" in " ".join(done.stderr.split())
    assert list_tokens(database)[0].revoked_at is None
