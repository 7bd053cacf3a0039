"""Finding a notification by its id, and doing there what its explanation leads to."""

import pytest
from playwright.sync_api import Page, expect

from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.browser.conftest import Serve, Site
from tests.browser.examining import examined
from tests.browser.hostile import LONG_ID
from tests.browser.tokens import OPERATE, TOKENS, log_in
from tests.factories import accepted
from tests.integration.rows import all_routes, execute


@pytest.fixture(scope="module")
def site(serve: Serve, database: Database) -> Site:
    """The page with tokens, and a notification whose two routes are dead."""
    accepted(database, [{"idempotency_key": "turn-17"}])
    execute(database, BURY)
    return serve(**TOKENS)


@pytest.fixture
def operator(page: Page) -> Page:
    """A tab in which Ann has logged in."""
    page.goto("/find")
    log_in(page, OPERATE)
    return page


def look_up(page: Page, id_: str) -> None:
    """Types an id into the box, and presses Enter."""
    box = page.get_by_role("searchbox", name="Find any id")
    box.fill(id_)
    box.press("Enter")


def test_an_id_leads_to_what_may_be_done_about_its_routes(operator: Page, database: Database) -> None:
    """The key of the intent is enough; the button beside the sentence requeues, and the page says so."""
    look_up(operator, "turn-17")
    route = operator.get_by_role("group").filter(has_text="Route push:user:7")
    expect(route).to_contain_text("publisher dead-letters requeue")
    route.get_by_role("button", name="Requeue").click()

    expect(operator.get_by_role("status")).to_contain_text("action")
    assert {r["route_id"]: r["status"] for r in all_routes(database)}["push:user:7"] == "pending"


def test_addresses_are_shown_to_whoever_asks_and_that_is_on_record(operator: Page) -> None:
    """Masked at first; one click shows them on this page alone, and the audit has who did that."""
    look_up(operator, "turn-17")
    expect(operator.get_by_text("a***@example.com").first).to_be_visible()
    operator.get_by_role("button", name="Show addresses").click()
    expect(operator.get_by_text("ann@example.com").first).to_be_visible()

    look_up(operator, "turn-17")
    expect(operator.get_by_text("a***@example.com").first).to_be_visible()
    operator.goto("/actions")
    expect(operator.get_by_role("row").filter(has_text="show-addresses")).to_contain_text("Ann")


def test_an_id_of_five_hundred_characters_breaks_no_page(operator: Page) -> None:
    """It is told that nothing has it, in a window of any width, and stays in the box."""
    look_up(operator, LONG_ID)

    expect(operator.get_by_role("alert")).to_contain_text(LONG_ID[:40])
    expect(operator.get_by_role("searchbox")).to_have_value(LONG_ID)
    assert examined(operator) == []
