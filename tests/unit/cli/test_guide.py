"""`publisher guide`: the documents that come with the service, on a terminal or through a pipe."""

import json

import pytest

from publisher.cli.app import run
from publisher.guides.shelf import NAMES, read_guide
from tests.guide_blocks import GUIDES


def test_every_guide_is_listed() -> None:
    """A document that is added to the folder is on the list, and none is on it twice."""
    assert sorted(NAMES) == sorted(path.stem for path in GUIDES.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_says_what_is_in_it(name: str) -> None:
    """Title and first paragraph are for the list; marks for the tests are not shown."""
    found = read_guide(name)

    assert found.title
    assert 20 < len(found.about) < 150
    assert "<!--" not in found.text


def test_without_a_name_all_are_listed_with_a_line_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is the table of contents, for people and for machines."""
    monkeypatch.delenv("COLUMNS", raising=False)  # as xdist sets it
    assert run(["guide"]) == 0
    shown = capsys.readouterr().out
    assert run(["guide", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [record["name"] for record in records] == list(NAMES)
    assert all(record["about"] in shown for record in records)


def test_through_a_pipe_a_guide_is_its_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """No colours and no layout where no terminal is: the text can be searched, and saved as a document."""
    assert run(["guide", "rules"]) == 0

    assert capsys.readouterr().out == read_guide("rules").text


def test_a_guide_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """The text stands in it whole."""
    assert run(["guide", "rules", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["text"] == read_guide("rules").text


def test_a_wrong_name_is_told_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the names there are."""
    assert run(["guide", "operations"]) == 2

    said = capsys.readouterr().err
    assert "there is no guide 'operations'; did you mean operating?" in said
