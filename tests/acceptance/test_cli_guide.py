"""`publisher guide` as a command: laid out on a terminal, without settings and without servers."""

import os

from rich.text import Text

from publisher.guides.shelf import read_guide
from tests.processes import run_on_terminal

BARE = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}


def test_on_a_terminal_a_guide_is_laid_out() -> None:
    """Headings and tables are drawn. No line is wider than the terminal, but for lines of code and long names."""
    code, shown = run_on_terminal("publisher", "guide", "promises", environ=BARE | {"NO_COLOR": "1"}, columns=80)

    assert code == 0
    assert "What is promised" in shown
    assert "## " not in shown
    assert "|---|" not in shown
    wider = [line.plain.strip() for line in map(Text.from_ansi, shown.splitlines()) if line.cell_len > 80]
    assert [line for line in wider if line not in read_guide("promises").text] == []
