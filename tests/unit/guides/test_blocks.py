"""The blocks of the guides that follow from the code: rights, commands, and the tree of files."""

import pytest

from tests.guide_blocks import BLOCKS, written


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_says_what_the_code_says(block: str) -> None:
    """The rights are those that `doctor` tries, the commands those of the terminal, the files those of the folders."""
    guide, make = BLOCKS[block]

    assert written(block) == make(), (
        f"publisher/guides/{guide}.md is out of date: run `.venv/bin/python -m tests.guide_blocks` and commit it"
    )
