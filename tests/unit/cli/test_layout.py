"""Layouts at any width: nothing is left out or cut, and what is copied off the screen is whole."""

import io

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from publisher.cli.terminal.layout import Hanging, Rows, Tree, fields

ID = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"
AT = "2026-03-14 09:26:53.589Z"
RULE = "─"


def shown(renderable: RenderableType, width: int) -> list[str]:
    """The lines as they are printed, without the spaces at their ends."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, highlight=False).print(renderable, crop=False)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def rows(*rows: tuple[str, ...], columns: tuple[str, ...] = ("id", "message", "at")) -> Rows:
    return Rows(columns, [list(map(Text, row)) for row in rows], {"id"}, "message")


def test_a_table_that_fits_is_a_table() -> None:
    """Names above, numbers to the right, and no line wider than what it holds."""
    lines = shown(rows(("9", "why", AT), ("10", "-", AT)), 200)

    assert lines == ["id  message  at", RULE * 37, f" 9  why      {AT}", f"10  -        {AT}"]


def test_prose_takes_several_lines_of_its_column() -> None:
    """Between words alone, beside cells that stay whole."""
    lines = shown(rows(("9", "the mail server moves to another rack", AT)), 56)

    assert lines[2:] == [f" 9  the mail server moves to    {AT}", "    another rack"]


def test_a_table_that_is_too_wide_is_turned_on_its_side() -> None:
    """A record stands beside the other, as long as all of them fit."""
    channels = [list(map(Text, row)) for row in (("email", "12", "3s"), ("push", "0", "–"))]

    assert shown(Rows(("channel", "waiting", "oldest"), channels), 22) == [
        "channel  email  push",
        "waiting  12     0",
        "oldest   3s     –",
    ]


def test_records_that_do_not_fit_side_by_side_follow_each_other() -> None:
    """A field a line, and an empty line between two records."""
    assert shown(rows(("9", "why", AT), ("10", "-", AT)), 35) == [
        *("id       9", "message  why", f"at       {AT}"),
        "",
        *("id       10", "message  -", f"at       {AT}"),
    ]


def test_a_cell_that_is_wider_than_the_screen_is_one_line() -> None:
    """It stands below its name, and the terminal continues it: copied, it is whole."""
    delivery_id = f"{ID}/email:user:{'x' * 40}"

    lines = shown(rows((delivery_id, "why", AT)), 60)

    assert lines == ["id", f"  {delivery_id}", "message  why", f"at       {AT}"]


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 200, 1_000_000])
def test_nothing_is_lost_at_any_width(width: int) -> None:
    """Every name, id and instant stands whole on a line, however narrow the screen is."""
    text = "\n".join(shown(rows(("1,234,567", f"route {ID} failed at {AT}, for the third time", AT)), width))

    for whole in ("id", "message", "at", "1,234,567", ID, AT, "third"):
        assert whole in text, text


@pytest.mark.parametrize(
    "whole",
    [AT, "14 min", "6 min", "publisher dead-letters requeue 17 --yes", "'publisher status'"],
)
@pytest.mark.parametrize("width", range(10, 70, 7))
def test_what_belongs_together_is_not_broken(whole: str, width: int) -> None:
    """An instant, a number with its unit and a command keep their spaces."""
    said = "Due since 2026-03-14 09:26:53.589Z (6 min 14 min ago), see 'publisher status' or: publisher dead-letters"

    assert whole in "\n".join(shown(Hanging(Text(f"{said} requeue 17 --yes"), Text("next"), 6), width))


def test_wide_letters_take_two_columns() -> None:
    """A table with letters of East Asia keeps its columns."""
    lines = shown(rows(("1", "日本", AT), ("2", "abcd", AT)), 80)

    assert lines[2:] == [f" 1  日本     {AT}", f" 2  abcd     {AT}"]


def test_a_text_hangs_beside_its_head_or_below_it() -> None:
    """Below it, if a word of it would not fit beside."""
    assert shown(Hanging(Text("one two three"), Text("next"), 6), 14) == ["next  one two", "      three"]
    assert shown(Hanging(Text("one-two three"), Text("next"), 6), 12) == ["next", "  one-two", "  three"]


def test_fields_share_their_indent() -> None:
    """Names to the left, values below each other."""
    assert shown(fields({"id": Text("7"), "reason": Text("a b c")}, ["reason"]), 12) == [
        "id      7",
        "reason  a b",
        "        c",
    ]


def test_a_tree_keeps_its_guides_beside_wrapped_lines() -> None:
    """Each further line of a label stands behind the guides of its own branch."""
    tree = Tree(Text("entry"))
    branch = tree.add(Text("route is pending"))
    branch.add(Text(f"at {AT}"))
    tree.add(Text("end"))

    assert shown(tree, 14) == ["entry", "├── route is", "│   pending", "│   └── at", f"│       {AT}", "└── end"]
