"""Checking all templates: each rendered in each locale with its sample, before a message needs it."""

from pathlib import Path

import pytest

from publisher.domain.errors import SettingsError
from publisher.domain.mailbox import Mailbox
from publisher.local import demo
from publisher.mail.templates.check import TemplateFinding, check_templates
from tests.unit.mail.templates.template_files import template, write

DEMO = Path(demo.__file__).parent / "templates"


def test_templates_in_order_have_no_findings(tmp_path: Path) -> None:
    """It says how many were rendered, and who sends them: their domains are checked elsewhere."""
    write(tmp_path, template("Hello {{ name }}", meta="from = 'Shop <a@shop.example>'"))
    write(
        tmp_path, {"a.b/de/subject.txt": "Hallo", "a.b/de/text.txt": "{{ vorname }}", "a.b/sample.json": '{"name": 1}'}
    )
    write(tmp_path, {"a.b/de/sample.json": '{"vorname": "Zoë"}', "layout.html": "", "parts/bye.txt": "Bye"})

    checked = check_templates(tmp_path)

    assert (checked.rendered, checked.findings) == (2, [])
    assert checked.senders == [Mailbox("Shop", "a", "shop.example")]


def test_whatever_would_fail_is_found(tmp_path: Path) -> None:
    """A missing file, a broken template, a sample that does not fit or is none, and a template without English."""
    fine = {"subject.txt": "Hi", "text.txt": "Hello"}
    for template_id, locale, changes in (
        ("1.fine", "en", {"sample.json": "{}"}),
        ("2.missing", "en", {"sample.json": "{}", "text.txt": ""}),
        ("3.broken", "en", {"sample.json": "{}", "text.txt": "{{"}),
        ("4.other", "en", {"sample.json": '{"a": 1}', "text.txt": "{{ b }}"}),
        ("5.no.object", "en", {"sample.json": "[1]"}),
        ("6.no.sample", "en", {}),
        ("7.german", "de", {"sample.json": "{}"}),
    ):
        files = {name: text for name, text in (fine | changes).items() if text}
        write(tmp_path, {f"{template_id}/{locale}/{name}": text for name, text in files.items()})

    checked = check_templates(tmp_path)

    assert checked.rendered == 2
    assert checked.findings == [
        TemplateFinding("2.missing", "en", "2.missing/en/text.txt is missing"),
        TemplateFinding("3.broken", "en", "3.broken/en/text.txt, line 1: unexpected 'end of template'"),
        TemplateFinding("4.other", "en", "4.other/en/text.txt, line 1: the variable or member 'b' is not given"),
        TemplateFinding("5.no.object", "en", "5.no.object/en/sample.json: it is no JSON object"),
        TemplateFinding("6.no.sample", "en", "6.no.sample/sample.json is missing: the template was not rendered"),
        TemplateFinding("7.german", None, "7.german/en is missing: a recipient of another locale gets no message"),
    ]


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    """It is not an empty one."""
    with pytest.raises(SettingsError, match="cannot read the templates"):
        check_templates(tmp_path / "nothing")


def test_the_demos_templates_are_in_order() -> None:
    """Two templates in two languages, with text and HTML; their samples are those that the demo sends."""
    checked = check_templates(DEMO)

    assert (checked.rendered, checked.findings) == (4, [])
