"""The tokens of a page that others than this machine reach, and how one logs in by them."""

from playwright.sync_api import Page

READ, OPERATE = "read-token-of-the-tests", "operate-token-of-the-tests"
TOKENS = {"PUBLISHER_WEB_READ_TOKEN": READ, "PUBLISHER_WEB_OPERATE_TOKEN": OPERATE}


def log_in(page: Page, token: str, name: str = "Ann") -> None:
    """Fills in the form of the login that is shown, and sends it."""
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
