"""The rules: whatever cites one finds it in the guide, and each is shown by a test."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.guide_blocks import GUIDES, ROOT

KINDS = ("py", "lua", "md")
_CITATION = re.compile(r"\bR\d+[a-z]?\b")


def sources(*patterns: str) -> Iterator[Path]:
    """The files of the project that match, by the folders that are its own."""
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


def cited(*patterns: str) -> dict[str, str]:
    """Each rule that these files cite, and one of the files."""
    return {rule: str(path) for path in sources(*patterns) for rule in _CITATION.findall(path.read_text())}


def rules() -> set[str]:
    """The rules that the guide states."""
    return set(re.findall(r"^- \*\*(R\d+[a-z]?)\*\* ", (GUIDES / "rules.md").read_text(), re.MULTILINE))


def test_a_rule_that_is_cited_is_written() -> None:
    """A reader of code, tests or guides finds every rule that they cite."""
    everywhere = [f"{folder}/**/*.{kind}" for folder in ("publisher", "actors", "storage", "tests") for kind in KINDS]

    missing = {rule: path for rule, path in cited("README.md", *everywhere).items() if rule not in rules()}

    assert not missing, f"rules that publisher/guides/rules.md does not state: {missing}"


def test_a_rule_that_is_written_is_shown_by_a_test() -> None:
    """Each rule is cited by a test at least, which fails where the rule is broken."""
    shown = cited("tests/**/test_*.py")

    assert not rules() - shown.keys(), "cite the rule in the docstring of the test that shows it"
