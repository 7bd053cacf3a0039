"""Style sheets of HTML messages, moved into the elements."""

from pathlib import Path

import pytest

from publisher.mail.templates.inlining import NotInlined, inlined
from tests.unit.mail.templates.template_files import fault, letter, template, write

STYLE = "<style>p { color: red } @media (max-width: 600px) { p { color: blue } }</style>"


def test_rules_move_into_the_elements_and_at_rules_stay(tmp_path: Path) -> None:
    """A mail program that reads no style sheet shows the colours; one that does adapts to its screen."""
    made = letter(write(tmp_path, template(html=f"{STYLE}<p class=x>{{{{ name }}}}</p>")), name="مرحبا <b>")

    assert made.html is not None
    assert '<p class="x" style="color: red;">مرحبا &lt;b&gt;</p>' in made.html
    assert "@media (max-width: 600px) { p { color: blue } }" in made.html


def test_html_without_a_style_sheet_is_left_as_it_is() -> None:
    """Not even its white space changes."""
    assert inlined("<P>a\n<br>") == "<P>a\n<br>"


@pytest.mark.parametrize("address", ["{}", "file://{}", "http://127.0.0.1:1/{}"])
def test_no_style_sheet_is_fetched(tmp_path: Path, address: str) -> None:
    """A message's HTML names no file and no server that this service would ask."""
    sheet = write(tmp_path, {"x.css": "p { color: green }"}) / "x.css"
    html = f'<link rel="stylesheet" href="{address.format(sheet)}"><style>@import "{sheet}";</style><p>a</p>'

    assert "green" not in inlined(html)


def test_comments_for_outlook_stay() -> None:
    """Conditional comments are how some mail programs are addressed."""
    assert "<!--[if mso]><br><![endif]-->" in inlined(f"{STYLE}<p><!--[if mso]><br><![endif]--></p>")


@pytest.mark.parametrize("count", [501, 100_000])
def test_elements_that_are_never_closed_are_a_fault(tmp_path: Path, count: int) -> None:
    """A loop that opens an element for each of a producer's rows would otherwise end the process."""
    html = f"{STYLE}{{% for row in rows %}}<div>{{{{ row }}}}{{% endfor %}}"

    if count > 501:
        with pytest.raises(NotInlined):
            inlined(STYLE + "<div>" * count)
    message = fault(write(tmp_path, template(html=html)), rows=["x"] * min(count, 5000))

    assert message == (
        "a.b/en/html.html: its elements are nested more than 500 deep: an element in a loop is not closed"
    )


@pytest.mark.parametrize("drawing", ["<svg>", "<math>"])
def test_in_a_drawing_every_element_that_is_not_closed_nests(drawing: str) -> None:
    """There a cell does not end where the next one begins; a few thousand of them would end the process."""
    with pytest.raises(NotInlined):
        inlined(f"{STYLE}<table>{drawing}" + "<td>" * 1000)

    assert inlined(f"{STYLE}<table>{drawing}</{drawing[1:]}" + "<td>x" * 1000).count("<td>") == 1000


def test_styles_that_make_a_message_huge_are_a_fault(tmp_path: Path) -> None:
    """Each element gets all of its rules: a long style sheet and many rows may be too much together."""
    rules = "".join(f"--a{n}: red; " for n in range(100))
    html = f"<style>i {{ {rules} }}</style>{{% for row in rows %}}<i>a</i>{{% endfor %}}"

    message = fault(write(tmp_path, template(html=html)), rows=[0] * 5000)

    assert message == "a.b/en/html.html: it makes more than 2,097,152 characters"


def test_a_long_table_is_inlined() -> None:
    """Many elements beside each other are no fault, and neither are those that need no end tag."""
    rows = "<tr><td>a<br><td>b</td></tr></p>" * 499 + "<hr><img src=x>" * 1000

    assert inlined(f"{STYLE}<table>{rows}</table><p>x</p>").count("<td>") == 998
