"""Lays out sentences, fields, tables and trees for a screen of any width.

Nothing is left out or cut, and no number, instant, id or command is broken, so that each can be copied:

- Prose is wrapped between words. A word that is wider than the screen stands on a line of its own, and the terminal
  continues that line by itself.
- A table that is too wide is turned on its side: names to the left, one record beside the other. Records that do not
  fit side by side follow each other, a field a line.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

# Spaces between two columns, and before a text that stands below its name.
_BETWEEN = 2
# A column of prose is at least as wide as this, if it has so much to say.
_LEAST_PROSE = 24
# What is never broken at its spaces: an instant, a number and its unit, a command.
_TIGHT = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d\S*|\d+(?: (?:d|h|min|ms|s|bytes|KiB|MiB|GiB|TiB)\b)"
    r"|'publisher [^']+'|(?<=: )publisher [a-z-]+ .*$|(?<=→ )(?:publisher|dramatiq) .*$"
)
# Stands for a space of these while a text is wrapped. No text holds it: it is not printable.
_HELD = "\ue000"


@dataclass(frozen=True, slots=True)
class Hanging:
    """A text beside its head, each further line of it below the first.

    indent: where the text begins. It stands below the head if it does not fit beside it.
    further: how much farther to the right further lines begin.
    wrapping: whether the text is prose. Otherwise it is one line, whatever its width.
    """

    text: Text
    head: Text = field(default_factory=Text)
    indent: int = 0
    further: int = 0
    wrapping: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the lines, each whole: the one that prints them must not crop."""
        text = _held(self.text) if self.wrapping else self.text.copy()
        indent, head = max(self.indent, self.head.cell_len + _BETWEEN if self.head else 0), self.head
        if head and indent + (_widest_word(text) if self.wrapping else text.cell_len) > options.max_width:
            yield _whole(head)
            indent, head = _BETWEEN, Text()
        text.overflow = "ignore"
        room = options.max_width - indent - self.further
        for n, line in enumerate(text.wrap(console, max(1, room)) if self.wrapping else [text]):
            start = head if n == 0 else Text(" " * self.further)
            yield _whole(Text.assemble(start, " " * (indent - head.cell_len if n == 0 else indent), _released(line)))


def fields(texts: Mapping[str, Text], wrapping: Collection[str] = ()) -> RenderableType:
    """Returns names and texts, a field a line. wrapping: the names of those that are prose."""
    indent = max(map(cell_len, texts), default=0) + _BETWEEN
    return Group(
        *(Hanging(text, Text(name, "bold"), indent, wrapping=name in wrapping) for name, text in texts.items())
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of the same fields, in the first of the three layouts that fits.

    rows: the texts of the fields, each printable and without line breaks.
    numeric: the columns that hold numbers, which are aligned to the right.
    wrapping: the one column that is prose, or None.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    numeric: Collection[str] = ()
    wrapping: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Renders the records for the width that `options` gives."""
        yield self._upright(options.max_width) or self._on_its_side(options.max_width) or self._one_by_one()

    def _upright(self, width: int) -> Table | None:
        cells = [[row[n] for row in self.rows] for n in range(len(self.columns))]
        widths = [_widest(name, texts) for name, texts in zip(self.columns, cells, strict=True)]
        if self.wrapping is not None:
            n = self.columns.index(self.wrapping)
            words = max([cell_len(self.wrapping), *map(_widest_word, map(_held, cells[n]))])
            rest = width - _joined(widths) + widths[n]
            widths[n] = min(widths[n], max(rest, words, _LEAST_PROSE))
        if _joined(widths) > width:
            return None
        table = _table(SIMPLE_HEAD)
        for name, wide in zip(self.columns, widths, strict=True):
            table.add_column(
                name, width=wide, justify="right" if name in self.numeric else "left", no_wrap=name != self.wrapping
            )
        for row in self.rows:
            named = zip(self.columns, row, strict=True)
            table.add_row(*(Hanging(text) if name == self.wrapping else text for name, text in named))
        return table

    def _on_its_side(self, width: int) -> Table | None:
        records = [max(text.cell_len for text in row) for row in self.rows]
        if not self.rows or _joined([max(map(cell_len, self.columns)), *records]) > width:
            return None
        table = _table(None)
        for _ in range(1 + len(self.rows)):
            table.add_column(no_wrap=True)
        for n, name in enumerate(self.columns):
            table.add_row(Text(name, "bold"), *(row[n] for row in self.rows))
        return table

    def _one_by_one(self) -> RenderableType:
        wrapping = () if self.wrapping is None else (self.wrapping,)
        records = [fields(dict(zip(self.columns, row, strict=True)), wrapping) for row in self.rows]
        return Group(*(part for n, record in enumerate(records) for part in ((Text(), record) if n else (record,))))


@dataclass(frozen=True, slots=True)
class Tree:
    """A label, and below it its branches."""

    label: Text
    branches: "list[Tree]" = field(default_factory=list)

    def add(self, label: Text) -> "Tree":
        """Adds a branch, and returns it."""
        self.branches.append(Tree(label))
        return self.branches[-1]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the lines, each behind the guides that lead to it."""
        yield from self._lines(console, options.max_width, "", "")

    def _lines(self, console: Console, width: int, first: str, further: str) -> Iterable[Text]:
        label = _held(self.label)
        label.overflow = "ignore"
        for n, line in enumerate(label.wrap(console, max(1, width - cell_len(first)))):
            yield _whole(Text.assemble(first if n == 0 else further, _released(line)))
        for branch in self.branches:
            last = branch is self.branches[-1]
            yield from branch._lines(
                console, width, further + ("└── " if last else "├── "), further + ("    " if last else "│   ")
            )


def _table(box: Box | None) -> Table:
    # Between two columns a box stands itself.
    padding = (0, _BETWEEN - (box is not None), 0, 0)
    return Table(box=box, show_edge=False, show_header=box is not None, pad_edge=False, padding=padding)


def _widest(name: str, texts: Iterable[Text]) -> int:
    return max([cell_len(name), *(text.cell_len for text in texts)])


def _widest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split(" ")))


def _joined(widths: Collection[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _held(text: Text) -> Text:
    held = text.copy()
    held.plain = _TIGHT.sub(lambda found: found[0].replace(" ", _HELD), text.plain)
    return held


def _released(line: Text) -> Text:
    line.plain = line.plain.replace(_HELD, " ")
    line.rstrip()
    return line


def _whole(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ignore"
    return line
