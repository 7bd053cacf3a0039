"""What somebody sends who would do more on the page than they may, or break it."""

import hashlib
from datetime import timedelta

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from publisher.settings.web import WebSettings
from publisher.web.pages.page import our_fault
from publisher.web.security.origin import is_from_this_page, names_loopback
from publisher.web.security.sessions import Session, Sessions
from tests.integration.web.conftest import OPERATE, READ, TOKENS, Serve


def request(**headers: str) -> Request:
    """A request with these headers."""
    return Request({"type": "http", "headers": [(n.encode(), v.encode()) for n, v in headers.items()]})


def test_whoever_has_the_only_token_makes_no_cookie_that_lets_them_operate(serve: Serve) -> None:
    """Where the operate token is left out, nobody operates: the read token is all that the cookies' key is made of."""
    read_alone = {"PUBLISHER_WEB_READ_TOKEN": READ}
    answer = Response()
    Sessions(WebSettings(read_token=READ)).begin(answer, Session(2, "Mallory"))
    cookie = answer.headers["set-cookie"].split(";")[0]

    refused = serve(read_alone).post("/actions/1/stop", headers={"cookie": cookie})

    assert (refused.status_code, "not logged in" in refused.text) == (401, True)


def test_a_cookie_is_signed_with_a_key_that_is_slow_to_make(serve: Serve) -> None:
    """Whoever has a session and one token finds the other one by no fast hash of a guess."""
    fast = hashlib.sha256(f"{READ}\n{OPERATE}".encode()).digest()
    forged = URLSafeTimedSerializer(fast, salt="publisher-session").dumps({"role": 2, "name": "Mallory"})

    assert serve(TOKENS).get("/", headers={"cookie": f"publisher_session={forged!s}"}).status_code == 303


def test_the_login_keeps_what_was_typed_and_where_it_leads(serve: Serve) -> None:
    """An address in the name, or in the id that was looked for, is not masked there: it would be another one."""
    typed = {"name": "ann@example.com", "token": "wrong-token-of-the-tests", "next": "/find?id=ann@example.com"}
    shown = serve(TOKENS).post("/login", data=typed).text

    assert 'value="ann@example.com"' in shown
    assert 'value="/find?id=ann@example.com"' in shown


@pytest.mark.parametrize("path", ["/channels/email/pause", "/find/act", "/waiting/dead-letters/requeue", "/login"])
def test_a_form_with_the_character_nul_is_refused(operator: TestClient, path: str) -> None:
    """PostgreSQL has it in no text: the visitor is told so, and no bug is."""
    fields = {"reason": "a\0", "about": "a\0", "type": "a\0", "remedy": "requeue", "id": "x", "count": "1", "name": "A"}
    refused = operator.post(path, data=fields)

    assert (refused.status_code, "NUL" in refused.text) == (400, True)


def test_a_form_in_parts_is_refused(serve: Serve) -> None:
    """Nothing of it is decoded: the sender would choose the encoding, of which Python has some that always fail."""
    part = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--b--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=b; charset=undefined"}
    assert serve(TOKENS).post("/login", content=part, headers=kind).status_code == 400


def test_a_login_form_is_small(serve: Serve) -> None:
    """Whoever sends it is not known yet: megabytes are not read from them."""
    assert serve(TOKENS).post("/login", data={"name": "A", "token": "x" * 100_000}).status_code == 400


@pytest.mark.parametrize("path", ["/actions/", "/waiting/malformed/", "/waiting/holds/"])
def test_a_number_that_no_row_has_leads_nowhere(page: TestClient, path: str) -> None:
    """Also one of thousands of digits, which Python reads no more."""
    assert page.get(f"{path}{'9' * 5_000}").status_code == 404
    assert page.get(f"{path}{'9' * 18}").status_code == 404


def test_an_address_that_was_cut_off_leads_back(page: TestClient) -> None:
    """A path that nothing is served under is answered with a page, which says so and leads to Now."""
    answer = page.get("/waitin")
    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)
    assert '<a href="/">See what goes on now</a>' in answer.text


def test_a_path_with_a_slash_too_many_leads_to_no_other_host(page: TestClient) -> None:
    """The host that a request names is in no answer."""
    assert "location" not in page.get("/channels/", headers={"host": "localhost:1"}).headers


def test_a_request_whose_body_ends_in_two_ways_is_refused(page: TestClient) -> None:
    """What a proxy takes for the body's end and what the page takes for it must be one (request smuggling)."""
    both = {"transfer-encoding": "chunked", "content-length": "5"}
    for path in ("/login", "/v1/intents"):
        refused = page.post(path, headers=both, content=b"a=b&c")
        assert (refused.status_code, refused.headers["connection"]) == (400, "close")
    # The door's refusals are for programs.
    assert (refused.headers["content-type"], refused.json()["status"]) == ("application/problem+json", 400)


def test_the_metrics_are_not_told_under_a_strange_name(serve: Serve) -> None:
    """Without a token of their own they are for this machine: a proxy on it, or a hostile name, gets none."""
    client = serve(TOKENS)
    assert client.get("/metrics", headers={"host": "page.example"}).status_code == 421
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("host", "is_this_machine"),
    [
        ("127.0.0.1:8000", True), ("127.0.0.2", True), ("[::1]:8000", True), ("[::1]", True), ("LOCALHOST:1", True),
        ("localhost.", False), ("0.0.0.0:8000", False), ("127.0.0.1.evil.example", False), ("evil.example:127", False),
        ("127.0.0.1@evil.example", False), ("[::]", False), ("", False),
    ],
)  # fmt: skip
def test_a_name_is_this_machine_or_it_is_not(host: str, is_this_machine: bool) -> None:
    """An open page is served under the names and addresses of loopback alone."""
    assert names_loopback(request(host=host)) is is_this_machine


@pytest.mark.parametrize("origin", ["null", "", "http://[", "http://evil.example", "http://page@evil.example"])
@pytest.mark.parametrize("host", ["page", ""])
def test_an_origin_that_names_no_host_is_no_page_of_ours(origin: str, host: str) -> None:
    """Also where the request names no host either."""
    assert not is_from_this_page(request(origin=origin, host=host))


def test_an_answer_to_a_bug_has_the_headers_of_every_answer() -> None:
    """It is kept nowhere, and says nothing of the bug."""
    answer = our_fault(request(), RuntimeError("ann@example.com"))
    assert answer.headers["cache-control"] == "no-store"
    assert b"ann" not in answer.body


def test_whoever_tries_tokens_keeps_nobody_out(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """While wrong tokens are tried one after the other, the right one is let in; amid hundreds at once none is."""
    client = serve(TOKENS)
    attempts = client.app.state.context.attempts  # type: ignore[attr-defined]
    monkeypatch.setattr(attempts, "_delay", timedelta(0))
    right = {"headers": {"authorization": f"Bearer {READ}"}}
    found = []
    for held_back in (30, 100):
        monkeypatch.setattr(attempts, "_held_back", held_back)
        entered = client.post("/login", data={"name": "Ann", "token": READ})
        found.append((client.get("/actions", **right).status_code, entered.status_code))

    assert found == [(200, 303), (429, 429)]
