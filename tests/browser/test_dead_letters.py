"""Requeueing and discarding dead letters by clicks, with progress, a stop, and a second operator."""

import pytest
from playwright.sync_api import expect

from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import users
from tests.browser.conftest import Browse, Serve, Site
from tests.browser.tokens import OPERATE, TOKENS, log_in
from tests.factories import accepted
from tests.integration.rows import count, execute

PATH = "/waiting/dead-letters"
# So many are dead on each channel; at this rate they take half a minute.
DEAD, RATE = 60, 2


@pytest.fixture(scope="module")
def site(serve: Serve, database: Database) -> Site:
    """The page with tokens, and dead letters on both channels."""
    accepted(database, [{"recipients_json": users(DEAD)}])
    execute(database, BURY)
    return serve(**TOKENS)


def waiting(database: Database, channel: str) -> int:
    """How many dead letters of the channel wait for an operator."""
    return count(database, f"dead_letters WHERE channel = '{channel}' AND requeued_at IS NULL AND discarded_at IS NULL")


def test_a_requeue_is_followed_stopped_and_its_rest_done_by_another_operator(
    browse: Browse, database: Database
) -> None:
    """One sees the count, ten of them and the command; then the progress, without a click; Ben does what Ann left."""
    ann, ben = browse(), browse()
    ann.clock.install()
    ann.goto(PATH)
    log_in(ann, OPERATE)
    ann.get_by_label("Channel").select_option("email")
    ann.get_by_role("button", name="Show").click()
    expect(ann.get_by_role("heading", name=f"{DEAD} match")).to_be_visible()
    expect(ann.get_by_role("row")).to_have_count(1 + 10)
    expect(ann.get_by_text("publisher dead-letters requeue --channel email --yes")).to_be_visible()

    requeue = ann.locator("form", has=ann.get_by_role("button", name="Requeue"))
    requeue.get_by_label("At most so many a second").fill(str(RATE))
    requeue.get_by_role("button").click()
    expect(ann).to_have_url("/actions/1")
    begun = ann.get_by_role("progressbar").get_attribute("value")
    while ann.get_by_role("progressbar").get_attribute("value") == begun:
        ann.clock.run_for(5_000)
    ann.get_by_role("button", name="Stop").click()
    while ann.get_by_text("interrupted").count() == 0:
        ann.clock.run_for(5_000)

    ben.goto("/actions")
    log_in(ben, OPERATE, "Ben")
    row = ben.get_by_role("row").filter(has_text="requeue-dead-letters")
    expect(row).to_contain_text("interrupted")
    row.get_by_role("link").click()
    ben.get_by_role("button", name="Resume").click()
    expect(ben.get_by_text("Ann, resumed by Ben")).to_be_visible()
    expect(ben.get_by_text(f"Progress: {DEAD} of {DEAD}")).to_be_visible()
    assert (waiting(database, "email"), waiting(database, "push")) == (0, DEAD)


def test_a_discard_is_done_without_javascript(browse: Browse, database: Database) -> None:
    """What it means is said beside the button; a page without scripts follows the progress as well."""
    bare = browse(java_script_enabled=False)
    bare.goto(f"{PATH}?channel=push")
    log_in(bare, OPERATE)
    expect(bare.get_by_text("What is discarded cannot be requeued")).to_be_visible()
    bare.get_by_role("button", name="Discard").click()

    expect(bare.get_by_text(f"Progress: {DEAD} of {DEAD}")).to_be_visible()
    expect(bare.get_by_text("discard-dead-letters")).to_be_visible()
    assert waiting(database, "push") == 0
