"""Who may see and do what on the page."""

import pytest
from starlette.testclient import TestClient

from publisher.channels.registry import discover_channels
from publisher.doctor.grants import streams_of
from publisher.settings.settings import Settings
from publisher.streams.rights import acl_rules
from storage.database import Database
from tests.integration.conftest import AsUser
from tests.integration.rows import execute
from tests.integration.web.conftest import OPERATE, READ, TOKENS, Serve
from tests.valkeys import OwnValkey


def test_without_tokens_everybody_on_this_machine_may_do_everything_and_the_page_says_so(page: TestClient) -> None:
    """Without tokens the page is open to this machine, and says that on every page."""
    answer = page.get("/")
    assert answer.status_code == 200
    assert "everybody on this machine may do everything" in answer.text


def test_a_name_that_resolves_to_this_machine_is_no_way_in(page: TestClient) -> None:
    """A hostile site whose name resolves to 127.0.0.1 is not served (DNS rebinding)."""
    assert page.get("/", headers={"host": "evil.example:8000"}).status_code == 421


def test_whoever_is_not_logged_in_is_sent_to_the_login_and_back(serve: Serve) -> None:
    """A page that is asked for without a session leads to the login, and from there to where one wanted to go."""
    client = serve(TOKENS)
    asked = client.get("/?x=1")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2F%3Fx%3D1")
    form = client.get(asked.headers["location"])
    assert 'value="/?x=1"' in form.text
    entered = client.post("/login", data={"name": "Ann", "token": READ, "next": "/?x=1"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/?x=1")


def test_the_cookie_of_a_session_is_for_this_site_alone(serve: Serve) -> None:
    """The cookie is SameSite=Strict, HttpOnly and Secure, and holds no token (R36)."""
    cookie = serve(TOKENS).post("/login", data={"name": "Ann", "token": OPERATE}).headers["set-cookie"]
    assert {"SameSite=strict", "HttpOnly", "Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert OPERATE not in cookie


def test_a_session_ends_with_the_token_it_was_begun_by(serve: Serve) -> None:
    """Whoever changes a token logs everybody out."""
    cookie = serve(TOKENS).post("/login", data={"name": "Ann", "token": OPERATE}).headers["set-cookie"].split(";")[0]
    again, changed = serve(TOKENS), serve(TOKENS | {"PUBLISHER_WEB_READ_TOKEN": "another-token-of-the-tests"})
    assert again.get("/", headers={"cookie": cookie}).status_code == 200
    assert changed.get("/", headers={"cookie": cookie}).status_code == 303


def test_a_reader_changes_nothing(reader: TestClient) -> None:
    """The read token shows pages, and a change asked for with it is refused."""
    assert reader.get("/").status_code == 200
    refused = reader.post("/channels/email/pause", data={"reason": "x"})
    assert refused.status_code == 403
    assert "operate token" in refused.text


def test_a_browser_whose_change_is_refused_gets_a_page_that_leads_on(reader: TestClient, serve: Serve) -> None:
    """A person whose session has ended, or who may only read, is told so on a page with a way to the login."""
    refused = reader.post("/channels/email/pause", headers={"accept": "text/html,*/*"})
    ended = serve(TOKENS).post("/channels/email/pause", headers={"accept": "text/html,*/*"})
    assert (refused.status_code, ended.status_code) == (403, 401)
    for answer in (refused, ended):
        assert '<a href="/login">' in answer.text
        assert "«Back» has what you typed" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {}],
)
def test_another_site_changes_nothing(serve: Serve, headers: dict[str, str]) -> None:
    """A form on another site that posts to the page changes nothing, with a cookie or without tokens at all (CSRF)."""
    for variables in ({}, TOKENS):
        client = serve(variables)
        cookie = client.post("/login", data={"name": "Ann", "token": OPERATE}).headers.get("set-cookie", "")
        del client.headers["sec-fetch-site"]
        answer = client.post("/logout", headers={"cookie": cookie.split(";")[0], **headers})
        assert answer.status_code == 403
        assert "another site" in answer.text


def test_an_older_browser_shows_by_its_origin_that_the_form_is_ours(page: TestClient) -> None:
    """A browser without Sec-Fetch-Site sends Origin: the page's own is let in."""
    del page.headers["sec-fetch-site"]
    assert page.post("/logout", headers={"origin": "http://127.0.0.1:8000"}).status_code == 303


def test_a_login_leads_to_no_other_site(serve: Serve) -> None:
    """A link to the login that names another site leads to the first page instead."""
    client = serve(TOKENS)
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example/"):
        entered = client.post("/login", data={"name": "Ann", "token": READ, "next": target})
        assert entered.headers["location"] == "/"


def test_a_wrong_token_is_told_so(serve: Serve) -> None:
    """A wrong token lets nobody in, by the form or as a bearer, and the page does not repeat it."""
    client = serve(TOKENS)
    by_form = client.post("/login", data={"name": "Ann", "token": "wrong-token-of-the-tests"})
    by_header = client.get("/", headers={"authorization": "Bearer wrong-token-of-the-tests"})
    assert (by_form.status_code, by_header.status_code) == (401, 401)
    assert "is not known" in by_form.text
    assert "wrong-token" not in by_form.text + by_header.text


def test_nothing_of_a_page_is_kept_framed_or_run(page: TestClient) -> None:
    """Each answer forbids inline scripts, frames and caches."""
    for path in ("/", "/healthz", "/static/page.css", "/no-such-page"):
        headers = page.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]


def test_the_metrics_have_a_token_of_their_own(serve: Serve) -> None:
    """Prometheus reads the metrics with their own token, and with no other (R25)."""
    client = serve(TOKENS | {"PUBLISHER_WEB_METRICS_TOKEN": "metrics-token-of-the-tests"})
    assert client.get("/metrics", headers={"authorization": f"Bearer {OPERATE}"}).status_code == 401
    answer = client.get("/metrics", headers={"authorization": "Bearer metrics-token-of-the-tests"})
    assert answer.status_code == 200
    assert "publisher_routes_due" in answer.text


def test_a_platform_asks_for_health_without_a_token(serve: Serve) -> None:
    """/healthz and /readyz answer anybody, and name the servers alone."""
    client = serve(TOKENS)
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json() == {"postgresql": "ok", "redis": "ok"}


def test_a_process_whose_migrations_are_missing_is_not_ready(serve: Serve, database: Database) -> None:
    """/readyz answers 503 and says what to run, until every migration of this release is applied."""
    execute(database, "DELETE FROM schema_migration WHERE name = (SELECT max(name) FROM schema_migration)")
    answer = serve(TOKENS).get("/readyz")
    assert (answer.status_code, answer.json()["postgresql"]) == (503, "run publisher migrate")


def test_whoever_has_the_rights_that_are_printed_is_ready(
    environ: dict[str, str], serve: Serve, own_valkey: OwnValkey, as_user: AsUser
) -> None:
    """A user of Redis with the rights of `doctor --print-grants` alone: /readyz says that both servers answer."""
    as_user(*acl_rules(streams_of(Settings.from_environ(environ, discover_channels()))))
    environ["REDIS_URL"] = own_valkey.url.replace("://", "://app:secret@")
    assert serve(TOKENS).get("/readyz").json() == {"postgresql": "ok", "redis": "ok"}
