"""Dealing by clicks with what waits for an operator: malformed intents, holds, routes that nobody answered."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from storage.database import Database
from tests.acceptance.malformed_intents import record_intent
from tests.browser.conftest import Browse, Serve, Site
from tests.browser.pages import visit
from tests.browser.tokens import OPERATE, TOKENS, log_in
from tests.integration.answered_routes import answer, published_routes
from tests.integration.mail_rows import held_mail
from tests.integration.rows import count, rows
from tests.processes import Processes

DAY = timedelta(days=1)
LATE = 12


@pytest.fixture(scope="module")
def site(serve: Serve, database: Database, processes: Processes) -> Site:
    """The page with tokens, an intake, a malformed intent and routes that nobody answered."""
    record_intent(database, channels_json=["email", "pigeon"], idempotency_key="turn-99")
    [first] = published_routes(database, 1, ago=11 * DAY)
    answer(database, first, "delivered", ago=11 * DAY)
    published_routes(database, LATE, ago=10 * DAY)
    processes.start("intake")
    return serve(**TOKENS)


def test_what_waits_leads_to_where_it_is_dealt_with(page: Page) -> None:
    """Each kind has its number and its page."""
    page.goto("/waiting")
    log_in(page, OPERATE)
    visit(page, "/waiting")
    row = page.get_by_role("row").filter(has_text="Malformed intents")
    expect(row).to_contain_text("publisher malformed list")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="1 matches")).to_be_visible()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_malformed_intent_is_edited_and_sent_again(browse: Browse, has_scripts: bool) -> None:
    """What is still wrong is said beside what was typed; once it is right, one sees what became of it."""
    page = browse(java_script_enabled=has_scripts)
    page.goto("/waiting/malformed/1")
    log_in(page, OPERATE)
    page.get_by_role("button", name="Edit").click()
    editor = page.get_by_label("Its fields, as JSON")
    text = editor.input_value()

    editor.fill(text.replace('"pigeon"', '"dove"'))
    page.get_by_role("button", name="Resubmit").click()
    expect(page.get_by_role("alert")).to_contain_text("no such channel")
    assert '"dove"' in editor.input_value()
    editor.fill(text.replace('"pigeon"', '"push"'))
    page.get_by_role("button", name="Resubmit").click()

    expect(page.get_by_role("status")).to_contain_text("Ann sent it again")
    page.get_by_role("link", name="What became of it").click()
    while page.get_by_text("turn-99").count() == 0:
        # Intake takes it in a moment.
        page.reload()
    expect(page.get_by_text("push:user:7").first).to_be_visible()


def test_a_hold_is_counted_added_and_removed(page: Page) -> None:
    """One sees what it would keep before it is in force, and who set it and why."""
    page.goto("/waiting/holds")
    log_in(page, OPERATE)
    page.get_by_label("Type").fill("game.turn.ready")
    page.get_by_label("Why?").fill("the text names the wrong game")
    page.get_by_role("button", name="Count what it would hold").click()
    expect(page.get_by_text("Hold type game.turn.ready?")).to_be_visible()
    page.get_by_role("button", name="Hold", exact=True).click()

    row = page.get_by_role("row").filter(has_text="the text names the wrong game")
    expect(row).to_contain_text("Ann")
    row.get_by_role("link").click()
    page.get_by_role("button", name="Remove the hold").click()
    expect(page.get_by_role("status")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="the text names the wrong game")).to_have_count(0)


def test_routes_that_nobody_answered_are_published_again(page: Page, database: Database) -> None:
    """Those that are late are counted, and their action shows that it was done for each of them."""
    page.goto("/waiting/unanswered")
    log_in(page, OPERATE)
    expect(page.get_by_role("heading", name=f"{LATE} match")).to_be_visible()
    page.get_by_role("button", name="Publish again").click()

    expect(page.get_by_text(f"Progress: {LATE} of {LATE}")).to_be_visible()
    assert count(database, "routes WHERE replay = 1") == LATE


def test_held_messages_are_settled_and_sent_again(page: Page, database: Database) -> None:
    """One chooses the notification and says what became of its message; the others are sent again together."""
    settled, others = held_mail(database), [held_mail(database) for _ in range(2)]
    page.goto("/waiting/holds")
    log_in(page, OPERATE)
    page.get_by_role("link", name=f"Only those of notification {settled.partition('/')[0]}").click()
    page.get_by_role("button", name="Settle as accepted").click()
    expect(page.get_by_text("Progress: 1 of 1")).to_be_visible()

    page.goto("/waiting/holds")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text(f"Progress: {len(others)} of {len(others)}")).to_be_visible()
    states = rows(database, "SELECT state FROM mail_deliveries ORDER BY delivery_id = %s DESC", settled)
    assert [row["state"] for row in states] == ["sent", "waiting", "waiting"]
