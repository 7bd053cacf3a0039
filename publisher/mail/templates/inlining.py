"""Moves the rules of an HTML message's style sheets into the elements: many mail programs read no style sheet.

No file and no server is asked for a style sheet: a message holds what it needs.
"""

import re

from css_inline import CSSInliner, InlineError

# At-rules, such as those for dark screens, cannot stand in an element: they stay in a style sheet.
_INLINER = CSSInliner(load_remote_stylesheets=False, keep_style_tags=False, keep_at_rules=True)
# The parser goes through nested elements recursively: a few thousand of them end the process.
_DEEPEST = 500
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
# Elements that have no end tag, and those that end where the next one begins. In a drawing or a formula they have no
# such meaning.
_NOT_NESTED = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
    *("p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot"),
}


class NotInlined(Exception):
    """The style sheets cannot be moved. The text says why, and holds nothing of the message."""


def inlined(html: str) -> str:
    """Returns the HTML with its style sheets moved into its elements; unchanged if it has none.

    Raises NotInlined.
    """
    if "<style" not in html.lower():
        return html
    if html.count("<") - html.count("</") > _DEEPEST and _depth(html) > _DEEPEST:
        raise NotInlined(f"its elements are nested more than {_DEEPEST} deep: an element in a loop is not closed")
    try:
        return _INLINER.inline(html)
    except InlineError as error:
        raise NotInlined("its style sheets cannot be read") from error


def _depth(html: str) -> int:
    """Returns how deep the elements are nested at most, those that are never closed included."""
    open_: dict[str, int] = {}
    depth = deepest = 0
    for closing, tag in _TAG.findall(html):
        name = tag.lower()
        if not closing and (name not in _NOT_NESTED or open_.get("svg") or open_.get("math")):
            open_[name] = open_.get(name, 0) + 1
            depth += 1
            deepest = max(deepest, depth)
        elif closing and open_.get(name):
            open_[name] -= 1
            depth -= 1
    return deepest
