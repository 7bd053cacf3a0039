"""`publisher guide` as a command: laid out on a terminal, without settings and without servers."""

import os

from rich.text import Text

from tests.processes import run_on_terminal

BARE = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}


def test_on_a_terminal_a_guide_is_laid_out() -> None:
    """Headings and tables are drawn, and no line is wider than the terminal."""
    code, shown = run_on_terminal("publisher", "guide", "promises", environ=BARE | {"NO_COLOR": "1"}, columns=80)

    assert code == 0
    assert "What is promised" in shown
    assert "## " not in shown
    assert "|---|" not in shown
    assert max(Text.from_ansi(line).cell_len for line in shown.splitlines()) <= 80
