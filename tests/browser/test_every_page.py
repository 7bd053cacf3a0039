"""What holds for every page: everybody can read it, in every window, and it runs nothing that a stranger wrote."""

import pytest
from playwright.sync_api import Page, expect

from storage.database import Database
from tests.browser.conftest import Browse, Serve, Site
from tests.browser.examining import examined
from tests.browser.hostile import ATTEMPT, fill
from tests.browser.pages import PAGES, visit

_FOCUSED = "document.activeElement.textContent.trim() || document.activeElement.labels?.[0]?.textContent || ''"
_IS_OUTLINED = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"


@pytest.fixture(scope="module")
def site(serve: Serve, database: Database) -> Site:
    """The page over a database in which every text is an attempt at script."""
    fill(database)
    return serve()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody_and_runs_nothing_that_stands_in_it(page: Page, path: str) -> None:
    """In both widths and both schemes each text can be read, each field has a name; an attempt at script is text."""
    visit(page, path)

    assert examined(page) == []
    assert page.locator("main").inner_text().count(ATTEMPT) >= PAGES[path]
    assert page.locator("main script, main img, main iframe, main [onerror]").count() == 0


# They are of the same few parts: each third page is enough for every change.
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=() if n % 3 == 0 else pytest.mark.long) for n, path in enumerate(PAGES)]
)
def test_a_page_shows_the_same_without_javascript(browse: Browse, path: str) -> None:
    """Nothing is left out where scripts are off."""
    bare = browse(java_script_enabled=False)
    visit(bare, path)

    assert bare.locator("main").inner_text().count(ATTEMPT) >= PAGES[path]


def test_the_tab_key_leads_through_a_page_in_its_order_and_one_sees_where_it_is(page: Page) -> None:
    """First the way past the navigation, then the pages, then the box; each with an outline."""
    visit(page, "/")
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        assert page.evaluate(_IS_OUTLINED)
        seen.append(page.evaluate(_FOCUSED))

    names = ["Now", "Find", "Waiting for you", "Channels", "Actions"]
    assert seen == ["Skip to the content", "notification-publisher", *names, "Find any id", "Find"]


def test_the_first_key_leads_past_the_navigation(page: Page) -> None:
    """Tab and Enter: the link is seen, and the next Tab is in the content."""
    visit(page, "/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_an_open_page_renews_itself(page: Page) -> None:
    """Whoever leaves a page open sees what changes, without a click and without the page being loaded anew."""
    page.clock.install()
    visit(page, "/")
    page.evaluate("document.querySelector('[data-live] h2').id = 'shown-before'; window.isStillLoaded = true")

    page.clock.fast_forward(6_000)

    expect(page.locator("#shown-before")).to_have_count(0)
    assert page.evaluate("window.isStillLoaded")
