"""Every page of the site, as the tests visit them over the rows that hostile.fill adds."""

from playwright.sync_api import Page, expect

# Each page, and how often it shows at least a text that a stranger wrote.
PAGES = {"/": 1, "/channels": 4, "/waiting/dead-letters": 1, "/actions": 2, "/actions/1": 2, "/find?id=route:1": 3}


def visit(page: Page, path: str) -> None:
    """Opens the page once the process has a snapshot, which the first page shows."""
    page.goto(path)
    while page.get_by_text("The first snapshot is being taken").count():
        # The page asks for it every five seconds; whoever reloads does not wait so long.
        page.reload()
    expect(page.locator("h1")).to_have_count(1)
