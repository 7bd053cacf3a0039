"""What is done from the page Find: remedies, and showing addresses (R34, R36)."""

import html

from starlette.testclient import TestClient

from publisher.operations.channels.channels import pause, read_gate
from publisher.operations.holds.holds import HoldCriteria, add, list_holds
from storage.actions import ActionFilter, list_actions
from storage.database import Database
from tests.factories import intent
from tests.integration.rows import FINAL, change, execute, one_route
from tests.integration.web.one_route import ADDRESS, FIELDS, buried, forms


def test_addresses_are_masked_until_an_operator_asks_which_is_on_record(
    operator: TestClient, database: Database, route: int
) -> None:
    """No page that was only asked for shows one, in no field and no link; the button does, and the audit keeps it."""
    id_ = intent(**FIELDS).notification_id
    masked = operator.get("/find", params={"id": "turn-17"}).text
    assert ADDRESS not in html.unescape(masked)
    assert "a***@example.com" in masked
    shown = operator.post("/find/reveal", data={"id": "turn-17"})
    assert shown.status_code == 200
    assert shown.text.count(ADDRESS) >= 3
    [action] = list_actions(database, ActionFilter(), limit=10)
    assert (action.action, action.by, action.done) == ("show-addresses", "bearer token", 1)
    assert action.target == {"notifications": [id_]}


def test_an_address_of_any_form_is_masked(page: TestClient, database: Database, route: int) -> None:
    """What stands in the field of an address is masked whole, also where nobody would take it for one (R36)."""
    execute(database, "UPDATE routes SET resolved_email = '<b>ann</b>@x' WHERE id = %s", route)
    text = html.unescape(page.get("/find", params={"id": "turn-17"}).text)
    assert "ann</b>" not in text
    assert ", <***@x" in text


def test_a_reader_sees_no_address(reader: TestClient, database: Database, route: int) -> None:
    """Whoever may only read has the button explained, and the request refused: nothing is on record."""
    assert "disabled title=" in reader.get("/find?id=turn-17").text
    refused = reader.post("/find/reveal", data={"id": "turn-17"})
    assert (refused.status_code, ADDRESS in refused.text) == (403, False)
    assert list_actions(database, ActionFilter(), limit=1) == []


def test_a_dead_letter_is_requeued_from_the_page_which_says_what_came_of_it(
    operator: TestClient, database: Database, route: int, woken: list[str]
) -> None:
    """The button does what its command line does; the page that follows names the action, and no address."""
    buried(database, route)
    [form] = forms(operator.get("/find?id=turn-17").text)
    answer = operator.post("/find/act", data=form)
    assert answer.status_code == 303
    assert "%40" not in answer.headers["location"]
    after = operator.get(answer.headers["location"]).text
    [action] = list_actions(database, ActionFilter(), limit=10)
    assert f'requeue-dead-letters by bearer token: 1 of 1, done: <a href="/actions/{action.id}">' in after
    assert (one_route(database, route)["status"], woken) == ("pending", ["email"])
    again = operator.post("/find/act", data=form)
    assert again.status_code == 400
    assert "nothing was changed" in again.text
    assert "key turn-17" in again.text


def test_each_remedy_that_is_offered_helps(page: TestClient, database: Database, route: int, woken: list[str]) -> None:
    """A paused channel is resumed, a hold removed, a hopeless dead letter discarded, a published route republished."""
    pause(database, "email", "ann", "server moves")
    hold = add(database, HoldCriteria(channel="email"), "ann", "wrong")
    for form in forms(page.get("/find?id=turn-17").text):
        after = page.get(page.post("/find/act", data=form).headers["location"]).text
        assert 'role="status"' in after
    assert (read_gate(database, "email").state.value, list_holds(database)) == ("open", [])
    assert f"hold {hold.id} is removed" in after
    change(database, [route], f"{FINAL['published']}, stream_entry_id = '9-9', stream = 's'")
    [form] = forms(page.get("/find?id=turn-17").text)
    assert page.post("/find/act", data=form).status_code == 303
    assert one_route(database, route)["status"] == "pending"
    buried(database, route, "payload_encoding_failed")
    [form] = forms(page.get("/find?id=turn-17").text)
    assert (form["remedy"], page.post("/find/act", data=form).status_code) == ("discard", 303)
    assert set(woken) == {"email"}


def test_what_cannot_be_done_is_said_on_the_page(page: TestClient, database: Database, route: int) -> None:
    """Whatever is sent is answered by the page of the id, with the reason; nothing is changed and nothing on record."""
    wrong = {
        ("x", "route:1"): "there is no remedy &#39;x&#39;",
        ("check_mail", ""): "check_mail changes nothing by itself",
        ("requeue", f"route:{route}"): "nothing was changed",
        ("requeue", "route:99"): "there is no route 99",
        ("remove_hold", "<b>"): "&#39;&lt;b&gt;&#39; is no number of a hold",
        ("resume_channel", "pigeon"): "no channel &#39;pigeon&#39;",
    }
    for (remedy, about), said in wrong.items():
        answer = page.post("/find/act", data={"id": "turn-17", "remedy": remedy, "about": about})
        assert answer.status_code == 400
        assert said in answer.text
        assert "key turn-17" in answer.text
    assert list_actions(database, ActionFilter(), limit=1) == []
