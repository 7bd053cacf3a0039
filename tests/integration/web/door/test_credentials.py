"""Who may send over HTTP: whoever has a token that was not revoked, within its producer, its scope and its rate."""

import base64

import pytest
from starlette.testclient import TestClient

from publisher.domain.errors import SettingsError
from publisher.operations import tokens
from publisher.operations.tokens import Sends
from storage.database import Database
from tests.integration.rows import rows
from tests.integration.web.conftest import OPERATE, TOKENS, Serve
from tests.integration.web.door.conftest import Token
from tests.integration.web.door.test_intents import written


def basic(text: str) -> str:
    """The header of HTTP Basic for this user and password."""
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_token_is_always_needed_also_on_loopback(database: Database, serve: Serve, token: Token) -> None:
    """401 names both ways to send one; the page's own tokens open nothing here."""
    page = serve(TOKENS)
    good = token()
    refused = [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {OPERATE}",
        "Bearer npt_" + "x" * 43,
        f"Bearer {good}x",
        f"Token {good}",
        good,
        basic(good),
        basic(f"{good}:"),
        "Basic !!!",
        "Basic /w==",
        basic(f"user:{good}:"),
        f"Bearer {good}, Bearer {good}",
        "Bearer \u00e9" * 3,
        "Basic \u00e9",
    ]
    for header in refused:
        sent = {"authorization": header.encode("latin-1")} if header else {}
        answer = page.post("/v1/intents", json=written(), headers=sent)
        assert answer.status_code == 401, header
        assert answer.headers["www-authenticate"].startswith("Bearer realm="), header
        assert answer.headers["connection"] == "close"
        assert good not in answer.text
    assert rows(database, "SELECT * FROM notifications") == []
    for number, header in enumerate([f"Bearer {good}", f"bearer  {good} ", basic(f":{good}"), basic(f"ses:{good}")]):
        assert page.post("/v1/intents", json=written(f"{number}"), headers={"authorization": header}).status_code == 201


def test_a_path_that_the_door_does_not_have_is_a_problem_in_json_and_no_wrong_login(serve: Serve, token: Token) -> None:
    """Also /v1 without its slash, by any method: no page is asked for with a token of the door, nor a login needed."""
    page = serve(TOKENS)
    for path in ("/v1", "/v1/", "/v1/intents/"):
        for method in ("GET", "POST"):
            answer = page.request(method, path, headers={"authorization": f"Bearer {token()}", "host": "door.example"})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)


def test_a_token_that_is_revoked_lets_nobody_in_from_then_on(database: Database, door: TestClient) -> None:
    """The very next request is refused."""
    assert door.post("/v1/intents", json=written()).status_code == 201
    tokens.revoke(database, 1, "tester")
    assert door.post("/v1/intents", json=written()).status_code == 401


def test_a_token_sends_what_it_is_for(serve: Serve, token: Token) -> None:
    """A producer answers no deliveries, and a gateway asks for no notifications: 403."""
    page = serve()
    intents, events = (f"Bearer {token(sends=[each])}" for each in Sends)

    for name in ("", "/ses", "/postmark"):
        assert page.post(f"/v1/delivery-events{name}", json={}, headers={"authorization": intents}).status_code == 403
    assert page.post("/v1/delivery-events", json={}, headers={"authorization": events}).status_code == 422
    assert page.post("/v1/intents", json=written(), headers={"authorization": events}).status_code == 403


def test_a_token_speaks_for_one_provider(serve: Serve, token: Token) -> None:
    """A gateway's token, and that of another provider, records no answer of SES, and suppresses no address by it."""
    page, sources = serve(), ["ses", "postmark", "our-gateway"]
    sent = {source: {"authorization": f"Bearer {token(source, [Sends.EVENTS])}"} for source in sources}
    for name in ("ses", "postmark"):
        answers = [page.post(f"/v1/delivery-events/{name}", json={}, headers=sent[source]) for source in sources]
        assert [answer.status_code == 422 for answer in answers] == [source == name for source in sources]
        assert {answer.status_code for answer in answers} == {403, 422}


def test_each_token_has_a_rate(serve: Serve, token: Token) -> None:
    """429 with the seconds to wait, for this token alone."""
    page = serve({"PUBLISHER_WEB_DOOR_RATE": "0.01"})
    first, second = (f"Bearer {token(name)}" for name in ("game-service", "shop"))

    def send(authorization: str) -> tuple[int, str | None]:
        answer = page.post("/v1/intents", json=written(producer=None), headers={"authorization": authorization})
        return answer.status_code, answer.headers.get("retry-after")

    assert send(first) == (201, None)
    status, seconds = send(first)
    assert (status, 90 <= int(seconds or 0) <= 100) == (429, True)
    assert send(second) == (201, None)


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "x"])
def test_a_rate_that_is_none_is_a_setting_to_mend(serve: Serve, rate: str) -> None:
    """It stops the process at its start, and names the variable."""
    with pytest.raises(SettingsError, match="PUBLISHER_WEB_DOOR_RATE"):
        serve({"PUBLISHER_WEB_DOOR_RATE": rate})


def test_a_new_token_is_in_no_text_that_shows_values(database: Database) -> None:
    """Where a traceback or a log shows what was made, the token's own text is left out (R36)."""
    made = tokens.add(database, "shop", "a test", [Sends.INTENTS], "tester")

    assert made.token.startswith("npt_")
    assert made.token not in repr(made)
