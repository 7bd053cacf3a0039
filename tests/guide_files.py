"""The files that a guide tells its reader to write: a paragraph that begins with a path, and the block below it."""

import re

from tests.guide_blocks import GUIDES

_FILE = re.compile(r"^`(/?[\w./-]+)`(?:(?!\n\n).)*\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def guide_files(guide: str) -> dict[str, str]:
    """The text of each file, by its path."""
    return dict(_FILE.findall((GUIDES / f"{guide}.md").read_text()))
