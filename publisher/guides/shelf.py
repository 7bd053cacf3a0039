"""Finds and reads the guides, in a checkout and in an installed wheel alike."""

import re
from dataclasses import dataclass
from importlib.resources import files

# In the order in which they are listed: first what is promised, last how it is made.
NAMES = (
    *("promises", "rules", "producers", "consumers", "mail"),
    *("deploying", "sizing", "scaling", "operating", "web", "observing", "channels", "inside"),
)
# Marks for the tests that keep a block equal to the code.
_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Guide:
    """One document.

    name: the word for `publisher guide`.
    title: its heading.
    about: its first paragraph, in one line: what the reader finds in it.
    text: the whole as Markdown, without comments.
    """

    name: str
    title: str
    about: str
    text: str


def read_guide(name: str) -> Guide:
    """The guide of this name, one of NAMES."""
    text = _COMMENT.sub("", files("publisher.guides").joinpath(f"{name}.md").read_text(encoding="utf-8"))
    title, about = text.split("\n\n", 2)[:2]
    return Guide(name, title.removeprefix("# "), " ".join(about.split()), text)
