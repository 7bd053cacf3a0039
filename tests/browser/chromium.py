"""Starts Debian's Chromium, and watches each tab of it for what must never happen on a page of ours."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Response, sync_playwright

CHROMIUM = shutil.which("chromium")
IS_NEEDED = "TESTS_NEED_BROWSER" in os.environ
# A browser says on its console that a page was answered with an error: some of ours are meant to be.
_ANSWERED = "Failed to load resource: the server responded with a status of"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Runs the browser. While it runs, this thread can start no event loop of its own."""
    assert CHROMIUM is not None, "chromium is missing: install Debian's package `chromium`"
    with sync_playwright() as playwright:
        # Its sandbox does not start for root, as whom a container runs the tests.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass  # without slots: Playwright keeps what it makes of a method on its object
class Watched:
    """What happened in a tab that must not: errors on the console, dialogs, requests to another site.

    A breach of the Content-Security-Policy is an error on the console.
    """

    site: str
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Looks at this tab from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error of a script: {error}"))
        page.on("dialog", self._dialog)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_ANSWERED):
            self.found.append(f"console: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _response(self, response: Response) -> None:
        if urlsplit(response.url).netloc != urlsplit(self.site).netloc:
            self.found.append(f"asked another site: {response.url}")
        elif response.status >= 400 and response.request.resource_type != "document":
            self.found.append(f"answered {response.status}: {response.url}")
