"""References in the project lead somewhere: links, paths of files, and no text that a reader does not have."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guide_blocks import GUIDES, ROOT

DOCUMENTS = [ROOT / "README.md", *sorted(GUIDES.glob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_PATH = re.compile(r"`((?:publisher|actors|storage|tests)/[\w./-]*)`")
# Tickets and texts that stand outside of the project. "specific" and "issued 3" are words like any other, and "spec:"
# alone on a line is a key of Kubernetes.
_ELSEWHERE = re.compile(r"\bissues? #?\d+|\bspec\b(?!:$)|\bspecs\b|\bspecification\b|\bsections? \d+", re.IGNORECASE)


def files() -> Iterator[Path]:
    """Every text that is part of the project, but this one, which names what it looks for."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if path.exists() and path != Path(__file__):
            yield path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_link_leads_to_a_file(document: Path) -> None:
    """Every relative link of README and guides resolves."""
    targets = _LINK.findall(document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_path_that_is_named_exists(document: Path) -> None:
    """A file or folder that a document names is there."""
    gone = [path for path in _PATH.findall(document.read_text()) if not (ROOT / path).exists()]

    assert not gone, f"{document.name} names files that are not there (moved? name the new path): {gone}"


def test_nothing_refers_to_a_text_that_a_reader_does_not_have() -> None:
    """What a docstring cites stands in the project: a rule by its number, and no ticket or other document."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if _ELSEWHERE.search(line)
    ]

    assert not found, "cite a rule of publisher/guides/rules.md, or nothing:\n" + "\n".join(found)
