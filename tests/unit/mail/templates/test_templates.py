"""Templates as an operator writes them: files, locales, what meta.toml says, and files that change."""

from datetime import timedelta
from pathlib import Path

import pytest

from publisher.domain.errors import SettingsError
from publisher.domain.mailbox import Mailbox
from publisher.mail.messages.faults import TemplateFault
from publisher.mail.messages.message import Letter
from publisher.mail.templates.templates import Templates
from tests.unit.mail.messages.commands import command
from tests.unit.mail.templates.template_files import DELIVERY, fault, letter, rendered, template, write


def test_a_template_makes_a_letter(tmp_path: Path) -> None:
    """Subject, text and HTML are rendered with the command's variables."""
    files = template("Hello {{ name }}\n", subject="Turn {{ turn }}", html="<p>{{ name }}</p>")
    templates = Templates(write(tmp_path, files))

    made = templates.letter_for(command(template_id="a.b", variables={"name": "Zoë & Co", "turn": 17}))

    assert made == Letter("Turn 17", "Hello Zoë & Co", "<p>Zoë &amp; Co</p>")


def test_html_may_be_missing(tmp_path: Path) -> None:
    """A text alone makes a letter."""
    assert letter(write(tmp_path, template("Hello"))) == Letter("Hi", "Hello", None)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        *[
            ("de-AT", "de-AT"),
            ("de_at", "de-AT"),
            ("DE-at", "de-AT"),
            ("de-CH", "de"),
            ("de", "de"),
            ("de-Latn-AT", "de"),
        ],
        *[("fr", "en"), ("", "en"), ("en-GB", "en"), ("-", "en"), ("../de", "en"), ("zh_Hant_TW", "zh-Hant")],
    ],
)
def test_a_locale_falls_back(tmp_path: Path, asked: str, taken: str) -> None:
    """`de-AT` takes de-AT, else de, else en. Case does not count, and `_` is read as `-`."""
    for locale in ("en", "de", "de-AT", "zh-Hant"):
        write(tmp_path, {f"a.b/{locale}/subject.txt": locale, f"a.b/{locale}/text.txt": "Hello"})

    made = rendered(tmp_path, asked)

    assert isinstance(made, Letter)
    assert made.subject == taken


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "a.b/en/subject.txt is missing; locales that were looked for: de-at, de, en"),
        ({"a.b/de/text.txt": "x"}, "a.b/de/subject.txt is missing"),
        ({"a.b/de/subject.txt": "x", **template()}, "a.b/de/text.txt is missing"),
        ({"a.b/fr/subject.txt": "x", "a.b/fr/text.txt": "x"}, "a.b/en/subject.txt is missing"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """An operator learns which file to write."""
    made = rendered(write(tmp_path, files), "de-AT")

    assert isinstance(made, TemplateFault)
    assert said in made.message


def test_no_template_id_leaves_the_folder(tmp_path: Path) -> None:
    """A producer's type is looked up among the folders that are there, and never read as a path."""
    write(tmp_path, {"secret/en/subject.txt": "x", "secret/en/text.txt": "x"})
    templates = Templates(write(tmp_path / "mail", template()))

    for template_id in ("..", "../secret", "a.b/../../secret", ".", ""):
        assert isinstance(templates.letter(template_id, "en", {}, DELIVERY), TemplateFault)


def test_links_within_the_folder_are_followed_and_circles_end(tmp_path: Path) -> None:
    """An operator may share a locale or a template by a symbolic link."""
    write(tmp_path, template("Hello"))
    (tmp_path / "a.b" / "de").symlink_to("en")
    (tmp_path / "circle").symlink_to(".")

    assert rendered(tmp_path, "de") == Letter("Hi", "Hello")


def test_templates_share_parts(tmp_path: Path) -> None:
    """include and extends take files of the whole folder, and of nothing else."""
    write(tmp_path, {"layout.html": "<main>{% block body %}{% endblock %}</main>", "parts/bye.txt": "Bye {{ name }}"})
    html = '{% extends "layout.html" %}{% block body %}{{ name }}{% endblock %}'
    write(tmp_path, template('Hello, {% include "parts/bye.txt" %}', html=html))

    made = letter(tmp_path, name="<Zoë>")

    assert (made.text, made.html) == ("Hello, Bye <Zoë>", "<main>&lt;Zoë&gt;</main>")
    write(tmp_path, template('{% include "../../etc/passwd" %}'))
    assert fault(tmp_path, name="") == "a.b/en/text.txt, line 1: it includes or extends a template that is not there"


def test_meta_says_who_sends_and_how_one_unsubscribes(tmp_path: Path) -> None:
    """from, reply_to and list_unsubscribe, the latter with the variables and the delivery id."""
    meta = """
        from = "The Shop <noreply@shop.example>"
        reply_to = ["help@shop.example", "Ann <ann@shop.example>"]
        list_unsubscribe = ["https://shop.example/{{ delivery_id|urlencode }}?t={{ t }}", "mailto:u@shop.example"]
    """
    made = letter(write(tmp_path, template(meta=meta)), t="a b>\r\n", delivery_id="not this one")

    assert made.sender == Mailbox("The Shop", "noreply", "shop.example")
    assert made.reply_to == (Mailbox("", "help", "shop.example"), Mailbox("Ann", "ann", "shop.example"))
    assert made.unsubscribe == (
        "https://shop.example/b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email%3Auser%3A7?t=a%20b%3E",
        "mailto:u@shop.example",
    )


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ("from = ", "it is not TOML"),
        ("form = 'a@b.example'", "it has no key 'form'; there are: from, reply_to, list_unsubscribe"),
        ("from = 'nobody'", "from must be an address"),
        ("from = ['a@b.example', 'c@d.example']", "from must be one mailbox"),
        ("reply_to = 7", "reply_to must be text"),
        ("list_unsubscribe = 'http://shop.example'", "list_unsubscribe makes no https: or mailto: URL"),
        ("list_unsubscribe = 'https://shop.example/{{ nothing }}'", "the variable or member 'nothing' is not given"),
        ("list_unsubscribe = 'https://shop.example/{{'", "unexpected 'end of template'"),
    ],
)
def test_a_bad_meta_is_named_with_its_key(tmp_path: Path, meta: str, said: str) -> None:
    """No message goes out whose template says something that it cannot say."""
    message = fault(write(tmp_path, template(meta=meta)))

    assert message.startswith("a.b/meta.toml: ")
    assert said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n{{ name", "line 2: unexpected end of template"),
        ("\n\n{{ nothing }}", "line 3: the variable or member 'nothing' is not given"),
        ("{{ person.surname }}", "line 1: the variable or member 'surname' is not given"),
        ("{{ person[hidden] }}", "line 1: the variable or member is not given"),
        ("{{ hidden|int + hidden }}", "line 1: it raises TypeError"),
        ("{{ 1 // 0 }}", "line 1: it raises ZeroDivisionError"),
        ("{% for a in 7 %}{% endfor %}", "line 1: it raises TypeError"),
        ("{{ hidden|nofilter }}", "line 1: No filter named 'nofilter'"),
        ("{% include 'a.b/en/broken' %}", "line 1: it includes or extends a template that is not there"),
    ],
)
def test_a_broken_template_names_file_and_line_and_no_value(tmp_path: Path, text: str, said: str) -> None:
    """The operator finds the place; what a producer sent stands in no message (R36)."""
    message = fault(write(tmp_path, template(text)), hidden="ann@example.com", person={"name": "Ann"})

    assert message.startswith("a.b/en/text.txt, ")
    assert said in message
    assert "ann" not in message.lower()


def test_an_error_in_a_part_names_the_part_and_its_template(tmp_path: Path) -> None:
    """Both the file to mend and the template that uses it are named."""
    write(tmp_path, {"parts/bye.txt": "\n{{ nothing }}"} | template('{% include "parts/bye.txt" %}'))

    assert fault(tmp_path) == (
        "parts/bye.txt, line 2: the variable or member 'nothing' is not given (included by a.b/en/text.txt)"
    )


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """It is no template."""
    write(tmp_path, template())
    (tmp_path / "a.b/en/text.txt").write_bytes(b"\xff")

    assert fault(tmp_path) == "a.b/en/text.txt: it is not UTF-8"


def test_a_change_is_taken_up_once_it_has_settled(tmp_path: Path) -> None:
    """A running mail service takes up edited, added and mended files, and none that is still being written."""
    now = 0.0
    templates = Templates(write(tmp_path, template("one")), timedelta(seconds=3), lambda: now)

    def text_at(seconds: float) -> str:
        nonlocal now
        now = seconds
        made = templates.letter("a.b", "de", {}, DELIVERY)
        return made.text if isinstance(made, Letter) else made.message

    assert text_at(0) == "one"
    write(tmp_path, template("two, hal"))
    assert text_at(3) == "one"
    write(tmp_path, template("two, half and whole"))
    assert [text_at(seconds) for seconds in (5.9, 6, 8.9)] == ["one"] * 3
    assert text_at(9) == "two, half and whole"
    write(tmp_path, {"a.b/de/subject.txt": "Hallo", "a.b/de/text.txt": "drei {{"})
    assert text_at(12) == "two, half and whole"
    assert text_at(15).startswith("a.b/de/text.txt, line 1: ")
    write(tmp_path, {"a.b/de/text.txt": "drei"})
    assert (text_at(18)[:7], text_at(21)) == ("a.b/de/", "drei")


def test_a_folder_that_cannot_be_read_stops_nothing_that_was_read(tmp_path: Path) -> None:
    """While a volume is away, templates are used as they were; a folder that was never there is a wrong setting."""
    folder = write(tmp_path / "mail", template("one"))
    templates = Templates(folder, timedelta(0))
    assert isinstance(templates.letter("a.b", "en", {}, DELIVERY), Letter)
    folder.rename(tmp_path / "away")

    assert isinstance(templates.letter("a.b", "en", {}, DELIVERY), Letter)
    with pytest.raises(SettingsError, match="cannot read the templates in"):
        Templates(folder)
