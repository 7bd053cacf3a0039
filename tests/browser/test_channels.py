"""Pausing, limiting and resuming a channel by clicks."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Browse, Serve, Site
from tests.browser.tokens import OPERATE, READ, TOKENS, log_in


@pytest.fixture(scope="module")
def site(serve: Serve) -> Site:
    """The page with tokens, so that each change has a name."""
    return serve(**TOKENS)


def channel(page: Page, name: str) -> Locator:
    """The part of the page about this channel."""
    return page.get_by_role("region", name=name)


@pytest.mark.parametrize(("name", "has_scripts"), [("email", True), ("push", False)])
def test_a_channel_is_paused_limited_and_resumed(browse: Browse, name: str, has_scripts: bool) -> None:
    """Each click says how it stands afterwards, who did it and why; it takes no script."""
    page = browse(java_script_enabled=has_scripts)
    page.goto("/channels")
    log_in(page, OPERATE)
    part, status = channel(page, name), page.get_by_role("status")

    part.get_by_label("Why?").fill("the gateway is being moved")
    part.get_by_role("button", name="Pause").click()
    expect(status).to_have_text(f"{name} is paused.")
    expect(part).to_contain_text("Paused by Ann")
    expect(part).to_contain_text("the gateway is being moved")
    expect(part.get_by_role("button", name="Pause")).to_have_count(0)

    part.get_by_label("At most").fill("many")
    part.get_by_role("button", name="Limit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("many")
    expect(part.get_by_label("At most")).to_have_value("many")
    part.get_by_label("At most").fill("14/s")
    part.get_by_role("button", name="Limit", exact=True).click()
    expect(status).to_contain_text("14/s")
    part.get_by_role("button", name="No limit").click()
    expect(part).to_contain_text(f"{name} has no rate limit, set by Ann")

    part.get_by_role("button", name="Resume").click()
    expect(status).to_have_text(f"{name} is open.")
    page.goto("/actions")
    for action in ("pause-channel", "limit-channel", "resume-channel"):
        expect(page.get_by_role("row").filter(has_text=action).filter(has_text=name).first).to_contain_text("Ann")


def test_whoever_may_read_alone_can_press_nothing(page: Page) -> None:
    """Each button that would change something is off, and the page says why."""
    page.goto("/channels")
    log_in(page, READ, "Rita")

    expect(page.get_by_text("log in with the operate token")).to_be_visible()
    for label in ("Pause", "Limit", "No limit"):
        expect(channel(page, "push").get_by_role("button", name=label, exact=True)).to_be_disabled()
