"""The pages of malformed intents: found, shown, edited and sent again (R19, R34, R36)."""

from html import unescape
from typing import Any

import redis
from starlette.testclient import TestClient

from storage.actions import ActionFilter, ActionOutcome, ActionRecord, begin_action, end_action, list_actions
from storage.database import Database
from storage.malformed.reading import find_malformed
from tests.acceptance.malformed_intents import record_entry, record_intent
from tests.factories import INTENTS, intent_fields, raw
from tests.integration.web.conftest import Serve
from tests.waiting import wait_until

WRONG: dict[str, Any] = {
    "channels_json": ["pigeon"],
    "recipients_json": [{"user_id": "7", "email": "ann@example.com"}],
}


def sent(client: redis.Redis) -> list[dict[bytes, bytes]]:
    """What stands on the intents stream."""
    return [dict(fields) for _, fields in client.xrange(INTENTS)]


def action(database: Database) -> ActionRecord:
    """The newest action."""
    return list_actions(database, ActionFilter(), limit=1)[0]


def test_those_that_match_are_counted_ten_are_shown_and_all_are_sent_again(
    operator: TestClient, database: Database, redis_client: redis.Redis
) -> None:
    """Twelve of one code: an exact count, ten in the table, and one action that sends those that are valid by now."""
    for n in range(11):
        record_intent(database, entry_id=f"{n}-1", idempotency_key=str(n))
    record_intent(database, entry_id="11-1", **WRONG)
    record_intent(database, "too_large", "12-1")
    text = operator.get("/waiting/malformed?code=unknown_channel&since=1h").text
    assert "12 match</h2>" in text
    assert text.count('<a href="/waiting/malformed/') == 10
    assert "publisher malformed resubmit --code unknown_channel --since" in text

    form = {"code": "unknown_channel", "count": "12", "up_to": "13", "rate": "1000"}
    begun = operator.post("/waiting/malformed/resubmit", data=form)

    assert (begun.status_code, begun.headers["location"]) == (303, "/actions/1")
    wait_until(lambda: action(database).outcome.value == "done")
    assert (action(database).matched, action(database).done, action(database).by) == (12, 11, "bearer token")
    assert len(sent(redis_client)) == 11
    assert "1 of those that matched was left unchanged" in operator.get("/actions/1").text
    assert "1 matches</h2>" in operator.get("/waiting/malformed?code=unknown_channel").text


def test_a_filter_that_makes_no_sense_is_said_and_stays(page: TestClient) -> None:
    """The page says what is wrong, and shows what was typed."""
    for query, said in [("code=bogus", "choose one of the list"), ("since=x<b>", "x&lt;b&gt;"), ("which=x", "none of")]:
        answer = page.get(f"/waiting/malformed?{query}")
        assert (answer.status_code, said in answer.text) == (400, True)


def test_a_stopped_resubmission_is_resumed_from_its_page(
    page: TestClient, database: Database, redis_client: redis.Redis
) -> None:
    """Its action names the command that does the rest, and the button does it (R34)."""
    record_intent(database)
    begun = begin_action(database, "resubmit-malformed", "ann", {"up_to": 1, "manner": "unchanged"}, 1)
    end_action(database, begun, ActionOutcome.INTERRUPTED)
    assert "publisher malformed resubmit --resume 1" in page.get("/actions/1").text
    assert page.post("/actions/1/resume").status_code == 303
    wait_until(lambda: action(database).outcome.value == "done")
    assert len(sent(redis_client)) == 1


def test_one_is_shown_with_its_reason_its_remedy_and_its_fields_masked(page: TestClient, database: Database) -> None:
    """Everything the terminal shows, with the payload folded and no address in clear text (R36)."""
    record_intent(database, **WRONG)
    text = page.get("/waiting/malformed/1").text
    assert "<strong>unknown_channel</strong>: why it failed" in text
    assert "install the channel and send it again unchanged" in text
    assert "ann@example.com" not in text
    assert "a***@example.com" in text
    assert "<dt>payload_json</dt><dd><details>" in text
    assert "As it stands it would be refused again: <strong>unknown_channel</strong>" in text
    assert "publisher malformed resubmit 1 --file malformed-1.json" in text
    assert page.get("/waiting/malformed/2").status_code == 404
    assert page.get(f"/waiting/malformed/{2**70}").status_code == 404


def test_no_field_is_a_script(page: TestClient, database: Database) -> None:
    """Names and values of an entry are anybody's: each is text on every page."""
    attempt = b"</textarea></pre><script>alert(1)</script>"
    record_entry(database, [*raw(intent_fields(**WRONG)), (attempt, attempt), (b"producer", attempt)])
    pages = [page.get("/waiting/malformed"), page.get("/waiting/malformed/1"), page.post("/waiting/malformed/1/edit")]
    assert [answer.status_code for answer in pages] == [200, 200, 200]
    assert all("<script>alert" not in answer.text and "&lt;script&gt;alert" in answer.text for answer in pages)


def test_an_edit_is_checked_kept_if_it_is_wrong_and_sent_if_it_is_right(
    operator: TestClient, database: Database, redis_client: redis.Redis
) -> None:
    """Who opens the form sees addresses, and is on record; nothing typed is lost; the page says what became of it."""
    record_intent(database, **WRONG)
    form = operator.post("/waiting/malformed/1/edit").text
    assert "ann@example.com" in form
    assert (action(database).action, action(database).by, action(database).target) == (
        "show-addresses",
        "bearer token",
        {"malformed": 1},
    )
    wrong = operator.post("/waiting/malformed/1/resubmit", data={"text": '{"producer": "shop&co"}', "seen": ""})
    assert wrong.status_code == 400
    assert "it would not be accepted: missing_field" in wrong.text
    assert "&#34;shop&amp;co&#34;" in wrong.text
    broken = operator.post("/waiting/malformed/1/resubmit", data={"text": "{", "seen": ""})
    assert "it is not valid JSON" in broken.text
    assert sent(redis_client) == []

    right = unescape(form).replace("pigeon", "email").partition("<textarea")[2].partition(">")[2]
    done = operator.post(
        "/waiting/malformed/1/resubmit",
        data={"text": right.partition("</textarea>")[0].replace("\n", "\r\n"), "seen": ""},
    )

    assert (done.status_code, done.headers["location"]) == (303, "/waiting/malformed/1")
    [entry] = sent(redis_client)
    assert entry[b"channels_json"] == b'["email"]'
    facts = find_malformed(database, 1).facts
    shown = operator.get("/waiting/malformed/1").text
    assert f"as entry {facts.resubmitted_as}" in shown
    assert "It waits on the stream: no intake has read it yet" in shown
    assert '<a href="/find?id=' in shown
    assert action(database).target["manner"] == "page"


def test_an_edit_is_kept_while_redis_is_away(serve: Serve, database: Database) -> None:
    """What was typed comes back with the reason, to be sent once Redis answers (R35)."""
    page = serve({"REDIS_URL": "redis://127.0.0.1:1/0"})
    record_intent(database)
    form = unescape(page.post("/waiting/malformed/1/edit").text)
    text = form.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0].replace("pigeon", "email")
    answer = page.post("/waiting/malformed/1/resubmit", data={"text": text, "seen": ""})
    assert answer.status_code == 503
    assert text.strip() in unescape(answer.text)
    assert "resubmitting again is harmless" in answer.text


def test_two_operators_do_not_send_one_intent_twice_unawares(page: TestClient, database: Database) -> None:
    """Whoever saw it before it was resubmitted is told by whom it was; then once more is a choice."""
    record_intent(database)
    assert "As it stands it would be accepted now." in page.get("/waiting/malformed/1").text
    assert page.post("/waiting/malformed/1/resubmit", data={"seen": ""}).status_code == 303
    late = page.post("/waiting/malformed/1/resubmit", data={"seen": ""})
    assert (late.status_code, "tester resubmitted it meanwhile, as" in late.text) == (400, True)
    seen = find_malformed(database, 1).facts.resubmitted_as
    assert page.post("/waiting/malformed/1/resubmit", data={"seen": seen}).status_code == 303


def test_a_reader_sees_no_form(reader: TestClient, database: Database) -> None:
    """The form shows addresses: it takes the operate token (R36)."""
    record_intent(database, **WRONG)
    assert reader.post("/waiting/malformed/1/edit").status_code == 403
    assert "disabled title=" in reader.get("/waiting/malformed/1").text
