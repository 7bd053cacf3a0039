"""Makes the guide's pictures of the page, over servers on which an afternoon goes wrong.

`python -m tests.screenshots` takes some six minutes: a chart has something to show after that. It writes over the
pictures in publisher/guides/pictures.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from tests.browser.chromium import chromium
from tests.browser.tokens import OPERATE, log_in
from tests.guide_blocks import GUIDES
from tests.screenshots.afternoon import afternoon

PICTURES = GUIDES / "pictures"
# Seconds from what the operators do to the first picture.
_SETTLES = 25
# Routes of the action that are done when it is shown.
_DONE = 300
_WIDTH, _HEIGHT, _NARROW = 1280, 860, 360


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    name: of its file. path: of the page. options: the browser's own. steps: what is clicked before it is taken.
    """

    name: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: Callable[[Page], object] = lambda _: None


def _requeue(page: Page) -> None:
    """Requeues what was given up while the gateway was full, and waits until a part of it is done."""
    form = page.locator("form", has=page.get_by_role("button", name="Requeue"))
    while form.count() == 0:
        # On a machine under load not even this count is there within two seconds.
        page.reload()
    form.get_by_label("At most so many a second").fill("40")
    form.get_by_role("button").click()
    page.wait_for_url("/actions/*")
    while int(page.get_by_role("progressbar").get_attribute("value") or 0) < _DONE:
        page.wait_for_timeout(500)


def _open_newest(page: Page) -> None:
    """Follows the newest of the list to the page of its notification."""
    page.get_by_role("region").get_by_role("link").first.click()
    page.wait_for_url("**/find?*")


def _edit(page: Page) -> None:
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Its fields, as JSON").wait_for()


# The action is begun last: it changes what others show.
PICTURES_OF_PAGES = (
    Picture("now", "/"),
    Picture("now-dark", "/", {"color_scheme": "dark"}),
    Picture("now-narrow", "/", {"viewport": {"width": _NARROW, "height": 740}}),
    Picture("find", "/waiting/dead-letters?channel=email&type=game.turn.ready", steps=_open_newest),
    Picture("waiting", "/waiting"),
    Picture("dead-letters", "/waiting/dead-letters?channel=push"),
    Picture("malformed", "/waiting/malformed"),
    Picture("malformed-edit", "/waiting/malformed/1", steps=_edit),
    Picture("unanswered", "/waiting/unanswered"),
    Picture("holds", "/waiting/holds"),
    Picture("channels", "/channels"),
    Picture("action", "/waiting/dead-letters?channel=push", steps=_requeue),
    Picture("actions", "/actions"),
)


def main() -> None:
    """Takes every picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="of traffic before the first picture")
    parser.add_argument("names", nargs="*", help="of the pictures to take; without any, all are taken")
    asked = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with afternoon() as (url, go_wrong), chromium() as browser:
        print(f"{url}: traffic for {asked.minutes:g} minutes", file=sys.stderr)
        time.sleep(asked.minutes * 60 - _SETTLES)
        go_wrong()
        time.sleep(_SETTLES)
        for picture in PICTURES_OF_PAGES:
            if asked.names and picture.name not in asked.names:
                continue
            context = browser.new_context(
                base_url=url, **{"viewport": {"width": _WIDTH, "height": _HEIGHT}, **picture.options}
            )
            page = context.new_page()
            page.goto("/login")
            log_in(page, OPERATE)
            page.wait_for_url("/")
            page.goto(picture.path)
            picture.steps(page)
            _write(picture.name, page.screenshot())
            context.close()


def _write(name: str, png: bytes) -> None:
    """Writes a picture with a palette: it is a third as large, and looks the same."""
    path = PICTURES / f"{name}.png"
    with Image.open(io.BytesIO(png)) as picture:
        # The method that keeps a colour of few pixels: the red of a single figure.
        palette = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
    print(f"{path.name}  {len(png):,} bytes, written {path.stat().st_size:,}")


if __name__ == "__main__":
    main()
