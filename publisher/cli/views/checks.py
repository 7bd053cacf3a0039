"""Prints checks and how they came out: a line each, or a JSON object each."""

from rich.text import Text

from publisher.cli.terminal.layout import Hanging
from publisher.cli.terminal.output import print_json, print_layout, printable
from publisher.doctor.verdict import Diagnosis, Verdict

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.UNKNOWN: "cyan"}
_VERDICT_WIDTH, _NAME_WIDTH = 7, 23


def print_check_as_json(name: str, found: Diagnosis) -> None:
    """Prints the check as one JSON object."""
    print_json({"name": name, "verdict": found.verdict, "finding": found.finding, "remedy": found.remedy})


def print_check(name: str, found: Diagnosis) -> None:
    """Prints the check as one line: verdict, name, what was seen, and what to do."""
    head = Text.assemble((f"{found.verdict:<{_VERDICT_WIDTH}}", _STYLES[found.verdict]), "  ", name)
    said = Text(printable(found.finding))
    if found.remedy:
        said.append(f" → {printable(found.remedy)}", style="bold")
    print_layout(Hanging(said, head, _VERDICT_WIDTH + _NAME_WIDTH + 4))
