"""Shows a verdict on the terminal: a line for each finding, the worst first, each with what to do about it."""

from collections.abc import Iterator

from rich.text import Text

from publisher.cli.terminal.layout import Hanging
from publisher.cli.terminal.output import one_line
from publisher.operations.verdict.verdict import Level, Verdict
from publisher.operations.verdict.wording import remedy, said

_STYLES = {Level.FAILED: "bold red", Level.WARNING: "yellow", Level.OK: "green"}


def verdict_lines(verdict: Verdict) -> Iterator[Hanging]:
    """Yields a line for each finding. Colour repeats what the text says."""
    for finding in verdict.findings:
        line = Text(one_line(said(finding)), _STYLES[finding.level])
        if what := remedy(finding):
            line.append(f" → {one_line(what)}", "bold")
        yield Hanging(line, further=2)
