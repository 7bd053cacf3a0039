"""The page Holds: adding and removing a hold, and what is done with held messages (R29, R33, R34)."""

import pytest
from starlette.testclient import TestClient

from publisher.operations.holds import holds
from publisher.operations.holds.holds import HoldCriteria, list_holds
from storage.actions import ActionFilter, list_actions
from storage.database import Database
from tests.factories import accepted
from tests.integration.mail_rows import held_mail
from tests.integration.rows import rows
from tests.waiting import wait_until


def test_a_hold_is_added_once_its_number_of_routes_was_seen(operator: TestClient, database: Database) -> None:
    """At first the page says how many match, and changes nothing; the button that follows adds the hold."""
    accepted(database, [{}])
    form = {"type": "game.turn.ready", "recipient": "", "reason": "wrong <amounts>"}
    asked = operator.post("/waiting/holds/add", data=form)
    assert asked.status_code == 200
    assert "open route" in asked.text
    assert "publisher holds add --type game.turn.ready --reason &#39;wrong &lt;amounts&gt;&#39; --yes" in asked.text
    assert list_holds(database) == []

    added = operator.post("/waiting/holds/add", data=form | {"confirmed": "1"})

    assert (added.status_code, added.headers["location"]) == (303, "/waiting/holds?added=1")
    text = operator.get("/waiting/holds?added=1").text
    assert "Hold 1 is in force: type game.turn.ready." in text
    assert "wrong &lt;amounts&gt;" in text
    [action] = list_actions(database, ActionFilter(), limit=10)
    assert (action.action, action.by, action.done) == ("add-hold", "bearer token", 1)


def test_a_recipient_is_asked_about_as_typed_and_shown_masked_afterwards(page: TestClient, database: Database) -> None:
    """Whoever typed an address sees it while it is asked about; in the list it is masked, and in no URL (R36)."""
    form = {"recipient": "address:ops@example.com", "reason": "bounced"}
    assert "address:ops@example.com" in page.post("/waiting/holds/add", data=form).text
    added = page.post("/waiting/holds/add", data=form | {"confirmed": "1"})
    text = page.get(added.headers["location"]).text
    assert "ops@example.com" not in text
    assert "address:o***@example.com" in text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"reason": "x"}, "say what to hold"),
        ({"type": "<b>a", "reason": ""}, "say why"),
        ({"channel": "pigeon", "reason": "x"}, "pigeon"),
        ({"recipient": "bob", "reason": "x", "confirmed": "1"}, "names no recipient"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused_and_nothing_typed_is_lost(
    page: TestClient, database: Database, form: dict[str, str], said: str
) -> None:
    """The page comes again with the reason, and with what was typed."""
    answer = page.post("/waiting/holds/add", data=form)
    assert answer.status_code == 400
    assert said in answer.text
    assert f'name="reason" required maxlength="500" value="{form["reason"]}"' in answer.text
    assert list_holds(database) == []


def test_a_hold_is_removed_once_it_is_seen_what_may_go(page: TestClient, database: Database, woken: list[str]) -> None:
    """Its page says how many may go; then the workers of its channel are woken. A hold that is gone is not found."""
    hold = holds.add(database, HoldCriteria(channel="push"), "ann", "x")
    assert "0 open routes may go" in page.get(f"/waiting/holds/{hold.id}").text
    removed = page.post(f"/waiting/holds/{hold.id}/remove")
    assert removed.headers["location"] == f"/waiting/holds?removed={hold.id}"
    assert f"Hold {hold.id} is removed." in page.get(removed.headers["location"]).text
    assert woken == ["push"]
    assert page.get(f"/waiting/holds/{hold.id}").status_code == 404


def test_held_messages_of_one_notification_are_settled(page: TestClient, database: Database) -> None:
    """They are counted and shown without their recipients, settled under one action, and the others stay held."""
    wanted, other = held_mail(database, "ann@example.com"), held_mail(database, "bob@example.com")
    every = page.get("/waiting/holds").text
    assert "Send 2 held messages again" in every
    assert "@example.com" not in every
    form = {"notification": wanted.partition("/")[0], "as": "accepted", "count": "1"}
    assert f"Settle 1 held message of notification {form['notification']} as accepted" in (
        page.get(f"/waiting/holds?notification={form['notification']}").text
    )

    begun = page.post("/waiting/holds/mail/settle", data=form)

    assert begun.headers["location"] == "/actions/1"
    wait_until(lambda: list_actions(database, ActionFilter(), limit=1)[0].done == 1)
    assert rows(database, "SELECT delivery_id FROM mail_deliveries WHERE state = 'held'") == [{"delivery_id": other}]
    refused = page.post("/waiting/holds/mail/settle", data=form)
    assert (refused.status_code, "nothing matches any more" in refused.text) == (400, True)


def test_held_messages_are_sent_again_as_far_as_they_were_counted(page: TestClient, database: Database) -> None:
    """Whoever agreed to one is asked anew when there are two; then both are due."""
    held_mail(database, "ann@example.com")
    held_mail(database, "bob@example.com")
    refused = page.post("/waiting/holds/mail/send", data={"count": "1", "rate": "10"})
    assert refused.status_code == 400
    assert 'name="rate" inputmode="numeric"' in refused.text
    assert page.post("/waiting/holds/mail/send", data={"count": "2"}).status_code == 303
    wait_until(lambda: rows(database, "SELECT FROM mail_deliveries WHERE state = 'held'") == [])
