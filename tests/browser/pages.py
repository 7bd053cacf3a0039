"""Every page of the site, as the tests visit them over the rows that hostile.fill adds."""

from playwright.sync_api import Page

# Each page, and how often it shows at least a text that a stranger wrote.
PAGES = {
    "/": 1,
    "/find": 0,
    "/find?id=route:1": 3,
    "/waiting": 0,
    "/waiting/dead-letters": 2,
    "/waiting/malformed": 1,
    "/waiting/malformed/1": 3,
    "/waiting/unanswered?since=2026-03-01": 1,
    "/waiting/holds": 3,
    "/waiting/holds/1": 3,
    "/channels": 4,
    "/actions": 3,
    "/actions/1": 2,
}


def visit(page: Page, path: str) -> None:
    """Opens the page, with all that is folded in it, once the process has a snapshot, which the first page shows."""
    page.goto(path)
    while page.get_by_text("The first snapshot is being taken").count():
        # The page asks for it every five seconds; whoever reloads does not wait so long.
        page.reload()
    assert page.locator("h1").count() == 1, page.content()
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
