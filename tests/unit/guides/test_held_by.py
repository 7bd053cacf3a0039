"""Tests that a guide names as its proof exist."""

import ast
import re

import pytest

from tests.guide_blocks import GUIDES, ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = [found for guide in sorted(GUIDES.glob("*.md")) for found in _TEST.findall(guide.read_text())]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_a_guide_names_exists(path: str, name: str) -> None:
    """The environment is held by something that runs, under this name and in this file."""
    functions = [node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]

    assert name in functions


def test_every_environment_is_held_by_a_test() -> None:
    """No line of the table stands there without one."""
    text = (GUIDES / "deploying.md").read_text()
    rows = (
        text.partition("| environment | what holds there | held by |\n|---|---|---|\n")[2].split("\n\n")[0].splitlines()
    )

    assert rows
    assert [row for row in rows if not _TEST.search(row)] == []
