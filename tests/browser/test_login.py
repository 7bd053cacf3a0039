"""Logging in, in a real browser: its cookie, its forms, and those of another site."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browse, Serve, Site
from tests.browser.examining import examined
from tests.browser.tokens import OPERATE, READ, TOKENS, log_in


@pytest.fixture(scope="module")
def site(serve: Serve) -> Site:
    """The page with tokens, as others than this machine are let in."""
    return serve(**TOKENS)


def test_whoever_logs_in_is_where_they_wanted_to_go_until_they_log_out(page: Page) -> None:
    """The login leads on, says who one is and what one may do; after the way out every page asks again."""
    page.goto("/actions")
    assert examined(page) == []
    log_in(page, "no-token-of-the-tests")
    expect(page.get_by_role("alert")).to_have_text("This token is not known.")
    expect(page.get_by_label("Your name")).to_have_value("Ann")
    log_in(page, READ)
    expect(page).to_have_url("/actions")
    page.goto("/")
    expect(page.get_by_text("Ann, may read")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    assert examined(page) == []

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_login_needs_no_javascript(browse: Browse) -> None:
    """The form is sent and the cookie kept by the browser alone."""
    bare = browse(java_script_enabled=False)
    bare.goto("/")
    log_in(bare, OPERATE)
    expect(bare.get_by_text("Ann, may operate")).to_be_visible()


def test_a_form_of_another_site_changes_nothing(browse: Browse, tmp_path: Path, site: Site) -> None:
    """A page of another origin of this machine posts a form here: whoever is logged in stays so (CSRF)."""
    victim = browse()
    victim.goto("/")
    log_in(victim, OPERATE)
    expect(victim.get_by_text("Ann, may operate")).to_be_visible()
    (tmp_path / "index.html").write_text(f'<form method="post" action="{site.url}/logout"><button>Win</button></form>')

    with other_site(tmp_path) as other:
        lured = victim.context.new_page()
        lured.goto(other)
        lured.get_by_role("button").click()
        # A cookie that is SameSite=Strict goes by ports as by none: the very same machine sends it along.
        expect(lured.get_by_text("asked for by another site: nothing was changed")).to_be_visible()

    victim.reload()
    expect(victim.get_by_text("Ann, may operate")).to_be_visible()


@contextmanager
def other_site(folder: Path) -> Iterator[str]:
    """Serves the folder on a port of its own: another origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Logs nothing."""
