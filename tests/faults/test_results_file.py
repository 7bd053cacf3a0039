"""The file of results tells what was measured last of each thing."""

from pathlib import Path

from tests.faults.results_file import BUGS, CHAOS, table, write


def test_a_section_is_written_anew_and_the_others_stay(tmp_path: Path) -> None:
    """Measuring one thing again changes its section alone, and the order is always the same."""
    path = tmp_path / "results.md"

    for section, lines in [(BUGS, ["old"]), (CHAOS, ["9 kills"]), (BUGS, table(["bug"], [["a | b"]]))]:
        write(section, lines, path)

    assert path.read_text() == (
        "# What it withstood\n\n## Chaos\n\n9 kills\n\n## Planted bugs\n\n| bug |\n|---|\n| a \\| b |\n"
    )
