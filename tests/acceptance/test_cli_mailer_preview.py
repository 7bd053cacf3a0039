"""`publisher mailer preview` as a template's author uses it: without settings and without servers."""

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Publisher
from tests.processes import ROOT
from tests.unit.mail.templates.template_files import template, write

DEMO = str(ROOT / "publisher" / "local" / "templates")
AWAY: dict[str, str | None] = {"DATABASE_URL": None, "REDIS_URL": None}


@pytest.fixture
def preview(publisher: Publisher) -> Any:
    """Runs the command where no server is set."""
    return lambda *arguments, **more: publisher("mailer", "preview", *arguments, **(AWAY | more))


def test_the_sample_is_shown_in_the_recipients_language(preview: Any) -> None:
    """Subject, text and HTML with its styles inlined, as they would arrive."""
    done = preview("demo.turn.ready", "--locale", "de-AT", PUBLISHER_MAIL_TEMPLATES=DEMO)

    assert (done.returncode, done.stderr) == (0, "")
    assert "locale: de\n" in done.stdout
    assert "subject: Du bist am Zug: chess, Zug 17\n" in done.stdout
    assert "\n--- text ---\nDu bist am Zug.\n" in done.stdout
    assert '\n--- html ---\n<!DOCTYPE html><html lang="de">' in done.stdout
    assert '<p style="margin: 0 0 16px;">In deiner Partie <strong>chess</strong>' in done.stdout


def test_variables_come_from_a_file_or_from_standard_input(preview: Any, tmp_path: Path) -> None:
    """They take the place of the sample; a program reads the letter as JSON."""
    file = tmp_path / "variables.json"
    file.write_text('{"game": "<go>", "turn": 3}')

    for source in (str(file), "-"):
        done = preview("demo.turn.ready", "--variables", source, "--templates", DEMO, "--json", stdin=file.read_text())
        shown = json.loads(done.stdout)
        assert (shown["locale"], shown["subject"]) == ("en", "It is your turn: <go>, turn 3")
        assert "<strong>&lt;go&gt;</strong>" in shown["html"]
        assert shown["reply_to"] == ["help@example.com"]


def test_the_message_is_written_for_a_mail_program(preview: Any, tmp_path: Path) -> None:
    """--out writes each part, and the message with the sender of the settings."""
    done = preview(
        *("demo.report.weekly", "--templates", DEMO, "--out", str(tmp_path / "new")),
        PUBLISHER_MAIL_FROM="The Club <club@example.org>",
    )

    assert done.stdout.split() == [
        str(tmp_path / "new" / name) for name in ("subject.txt", "text.txt", "html.html", "message.eml")
    ]
    mail = message_from_bytes((tmp_path / "new" / "message.eml").read_bytes(), policy=default)
    assert (mail["From"], mail["Subject"]) == ("The Club <club@example.org>", "Week 11: 33 turns in 2 games")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (tmp_path / "new" / "text.txt").read_text().startswith("Your week 11\n")


def test_a_template_without_a_sample_is_rendered_without_variables(preview: Any, tmp_path: Path) -> None:
    """The author is told that there is none; what is printed holds no byte that a terminal would obey."""
    write(tmp_path, template("Hello \x1b[2J"))

    done = preview("a.b", "--templates", str(tmp_path))

    assert done.returncode == 0
    assert done.stderr == "publisher: a.b/sample.json is missing: rendered without variables\n"
    assert "Hello ?[2J\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["demo.turn.ready"], 2, "say where the templates are: --templates FOLDER, or set PUBLISHER_MAIL_TEMPLATES"),
        (["a.b", "--templates", "/no/such"], 2, "cannot read the templates in '/no/such': No such file or directory"),
        (["demo.turn.redy", "--templates", DEMO], 1, "no template 'demo.turn.redy'; did you mean demo.turn.ready?"),
        (["demo.turn.ready", "--templates", DEMO, "--variables", "/no/such"], 2, "cannot read '/no/such'"),
        (
            ["demo.turn.ready", "--templates", DEMO, "--variables", "-"],
            2,
            "standard input is not JSON: ",
        ),
        (["demo.turn.ready", "--templates", DEMO, "--out", "/dev/null/x"], 2, "cannot write into '/dev/null/x'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(preview: Any, arguments: list[str], code: int, said: str) -> None:
    """The line names the option, the file or the template."""
    done = preview(*arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert said in done.stderr


def test_a_fault_names_file_and_line(preview: Any) -> None:
    """As the delivery event would, so that a message that failed can be looked into."""
    done = preview("demo.turn.ready", "--templates", DEMO, "--variables", "-", stdin='{"game": "go"}')

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "publisher: demo.turn.ready/en/html.html, line 5: the variable or member 'turn' is not given\n"
    )
