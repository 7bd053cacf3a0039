"""Examines a page for what people with a keyboard, a screen reader, a small window or weak eyes stumble over."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

_EXAMINE = (Path(__file__).parent / "examine.js").read_text()
# A window on a desk, and the narrowest telephone.
WIDTHS = (1280, 360)
_HEIGHT = 800


def examined(page: Page) -> Sequence[str]:
    """Returns a line for each fault of the page that is open, in both widths, in the light and in the dark."""
    # After a click the text may be there before the style sheet is.
    page.wait_for_load_state("load")
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{width} pixels, {scheme}: {fault}" for fault in page.evaluate(_EXAMINE)]
    return found
