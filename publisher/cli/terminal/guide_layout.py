"""Lays out a guide's Markdown for a terminal of any width, so that what it shows can be copied.

- A line of a code block is printed as it is, at the left edge and without blanks at its end. A terminal that is
  narrower continues it by itself, and copies it as one line.
- A picture is its description: the pictures are in the wheel, beside the guide.
- No cell of a table is cut. Where the words of a row do not fit side by side, its cells follow each other.
"""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import CodeBlock, ImageItem, Markdown, TableElement, TableRowElement
from rich.table import Table
from rich.text import Text

from publisher.cli.terminal.layout import fields

# Spaces between two columns.
_BETWEEN = 2


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip().split("\n"):
            yield Text(line.rstrip(), "cyan", no_wrap=True, overflow="ignore")


class _Picture(ImageItem):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text.assemble(("Picture: ", "bold"), self.text or self.destination, end="")


class _Cells(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self.body.rows if self.body else []
        [head] = _texts([self.header.row] if self.header and self.header.row else [TableRowElement()])
        yield _side_by_side(head, _texts(rows), options.max_width) or _one_by_one(head, _texts(rows))


class GuideMarkdown(Markdown):
    """Markdown whose code and tables can be copied. To be printed without cropping."""

    elements = Markdown.elements | {"fence": _Code, "code_block": _Code, "image": _Picture, "table_open": _Cells}


def _texts(rows: Sequence[TableRowElement]) -> list[list[Text]]:
    return [[cell.content for cell in row.cells] for row in rows]


def _side_by_side(head: Sequence[Text], rows: Sequence[Sequence[Text]], width: int) -> Table | None:
    """A table that breaks cells between words alone, or None if the longest words of its columns do not fit."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(text.cell_len for text in column) for column in columns]
    least = [max(len(word) for text in column for word in ["", *text.plain.split()]) for column in columns]
    room = width - _BETWEEN * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        # The widest column has the most to gain from further lines.
        n = max((n for n in range(len(widths)) if widths[n] > least[n]), key=lambda n: widths[n])
        widths[n] -= 1
    # Between two columns the box stands itself.
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0))
    for name, wide in zip(head, widths, strict=True):
        table.add_column(Text(name.plain, "bold"), width=wide)
    for row in rows:
        table.add_row(*row)
    return table


def _one_by_one(head: Sequence[Text], rows: Sequence[Sequence[Text]]) -> RenderableType:
    names = [name.plain for name in head]
    records = [fields(dict(zip(names, row, strict=True)), wrapping=names) for row in rows]
    return Group(*(part for n, record in enumerate(records) for part in ((Text(), record) if n else (record,))))
