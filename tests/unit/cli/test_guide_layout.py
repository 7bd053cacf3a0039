"""A guide on a terminal: its files can be copied, and its tables have every word."""

import io
import re

import pytest
from rich.console import Console

from publisher.cli.terminal.guide_layout import GuideMarkdown
from publisher.guides.shelf import NAMES, read_guide

WIDTHS = (40, 60, 80, 100)
_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)


def shown(markdown: str, width: int) -> str:
    """The lines as they are printed, with the blanks at their ends."""
    file = io.StringIO()
    terminal = Console(file=file, width=width, color_system=None, highlight=False)
    terminal.print(GuideMarkdown(markdown, hyperlinks=False), width=width, crop=False)
    return file.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_code_block_is_printed_as_it_is(name: str, width: int) -> None:
    """No line of it is wrapped, indented or filled with blanks: what is copied is the file, and runs."""
    text = read_guide(name).text

    printed = shown(text, width)

    missing = [block for block in _BLOCK.findall(text) if f"\n{block.rstrip()}\n" not in printed]
    assert missing == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_cell_of_a_table_is_cut(name: str, width: int) -> None:
    """Every word of every table is on the screen, in one piece."""
    text = _BLOCK.sub("", read_guide(name).text).replace("\\|", "/")

    words = set(shown(text, width).split())

    cells = shown("\n\n".join(cell for row in _ROW.findall(text) for cell in row.split("|")), 10_000)
    assert [word for word in cells.split() if word.strip("-─") and word not in words] == []


def test_a_table_has_side_by_side_what_fits() -> None:
    """The widest column is broken between words."""
    table = "| name | about |\n|---|---|\n| `ID` | what this is about |\n| B | – |"

    assert [line.rstrip() for line in shown(table, 16).strip().splitlines()] == [
        *("name  about", "─" * 16, "ID    what this", "      is about", "B     –")
    ]


def test_cells_of_a_row_follow_each_other_where_their_words_do_not_fit() -> None:
    """A long name stands on a line of its own, whole."""
    table = "| held by | what |\n|---|---|\n| `tests/test_file.py::test` | all of it |\n| b | c |"

    assert [line.rstrip() for line in shown(table, 20).strip().splitlines()] == [
        *("held by", "  tests/test_file.py::test", "what     all of it", "", "held by  b", "what     c")
    ]


def test_a_picture_is_its_description() -> None:
    """A terminal shows no picture: what it would show is said."""
    assert shown("![The page Now](pictures/now.png)", 40).strip() == "Picture: The page Now"
