"""Templates that go wrong on purpose: nothing leaves the sandbox, nothing runs for ever, nothing takes all memory."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.mail.messages.message import Letter
from tests.unit.mail.templates.template_files import fault, letter, rendered, template, write

ENDLESS = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "loops over variables": "{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}",
    "a filter in a loop": "{% for a in many %}{{ many|sum }}{% endfor %}",
    "lazy filters": "{% for a in many|map('string')|select %}{% for b in many|map('string') %}{% endfor %}{% endfor %}",
    "a loop over text": "{% for a in text %}{% for b in text %}{% endfor %}{% endfor %}",
    "recursive loops": "{% for a in many recursive %}{% if loop.depth < 9 %}{{ loop(many) }}{% endif %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "an endless macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "includes": "{% set n = (n|default(0)) + 1 %}{% if n < 60 %}{% include 'a.b/en/text.txt' %}"
    "{% include 'a.b/en/text.txt' %}{% endif %}",
    "a search in a loop": "{% for a in many %}{% if 'x' in many %}{% endif %}{% endfor %}",
    "a method in a loop": "{% for a in many %}{{ text.count('y') }}{% endfor %}",
    "columns": "{% for a in many[:2]|slice(count) %}{% endfor %}",
    "a list of columns": "{{ many[:2]|map('string')|slice(count)|list|length }}",
    "a long range": "{{ range(999999)|sum }}",
}
HUGE = {
    "output": "{% for a in range(40000) %}" + "x" * 100 + "{% endfor %}",
    "a text repeated": "{{ 'x' * count }}",
    "a list repeated": "{{ [0] * count }}",
    "a power": "{{ count ** count }}",
    "a product": "{% set ns = namespace(n=9) %}{% for a in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "a width": "{{ 'x'|center(count) }}",
    "a width of a method": "{{ 'x'.ljust(count) }}",
    "a format": "{{ '%*d' % (count, 1) }}",
    "a wide format": "{{ '%-99999999.2f' % 1 }}",
    "a precise format": "{{ '%.99999999f'|format(1) }}",
    "a format with braces": "{{ '{:>{}}'.format(1, count) }}",
    "a wide format with braces": "{{ '{a:>99999999}'.format(a=1) }}",
    "a row filled up": "{{ many[:2]|batch(count, ' ')|list|length }}",
    "texts joined": "{% set ns = namespace(s=text) %}{% for a in many %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "texts added": "{% set ns = namespace(s=text) %}{% for a in many %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "lists added": "{% set ns = namespace(s=many) %}{% for a in many %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "a separator": "{{ many|join(text)|length }}",
    "a separator of a method": "{{ text.join('x' * 1000)|length }}",
    "a separator of what is lazy": "{{ many|map('string')|join(text)|length }}",
    "a replacement": "{{ text|replace('x', text)|length }}",
    "a replacement of a method": "{{ text.replace('x', text)|length }}",
    "a macro": "{% macro f() %}{% for a in many %}{{ text }}{% endfor %}{% endmacro %}{{ f()|length }}",
    "a block": "{% set s %}{% for a in many %}{{ text }}{% endfor %}{% endset %}{{ s|length }}",
    "many lines indented": "{{ ('x\n' * 10000)|indent(9999)|length }}",
    "many tabs": "{{ ('\t' * 10000).expandtabs(9999)|length }}",
    "an indent of JSON": "{{ many|tojson(indent=count) }}",
    "a table of letters": "{{ text.translate({120: text}) }}",
    "bytes": "{{ (5).to_bytes(count, 'big') }}",
    "an indent": "{{ 'x\n\ny'|indent(count, true) }}",
}
ESCAPES = {
    "class": "{{ ''.__class__ }}",
    "class by item": "{{ ''['__class__'] }}",
    "class by filter": "{{ ''|attr('__class__') }}",
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__ }}",
    "format": "{{ '{0.__class__}'.format(1) }}",
    "change": "{{ many.append(1) }}",
    "chance": "{{ many|random }}",
    "lorem ipsum": "{{ lipsum() }}",
}
ELEMENTS = ["html", "head", "/head", "body", "p", "/p", "/body", "/html"]
VARIABLES = {"many": list(range(20_000)), "text": "x" * 20_000, "count": 10**9, "secret": "ann@example.com"}


@pytest.mark.parametrize("name", ENDLESS)
def test_work_without_end_is_a_fault(tmp_path: Path, name: str) -> None:
    """Whatever loops and calls a template makes of a producer's variables, its rendering ends by itself."""
    message = fault(write(tmp_path, template(ENDLESS[name])), **VARIABLES)

    assert message.startswith("a.b/en/text.txt, line ")
    assert "steps" in message or message.endswith(("it raises RecursionError", "it raises OverflowError"))


@pytest.mark.parametrize("name", HUGE)
def test_a_result_without_measure_is_a_fault(tmp_path: Path, name: str) -> None:
    """No variable makes a message, a text or a number that fills the memory."""
    message = fault(write(tmp_path, template(HUGE[name])), **VARIABLES)

    assert message.startswith("a.b/en/text.txt")
    # It is refused before it is made.
    assert ("characters" in message) is (name == "output")
    assert "raises" not in message


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_leaves_the_sandbox(tmp_path: Path, name: str) -> None:
    """Python's insides are out of reach, variables cannot be changed, and nothing is left to chance."""
    message = fault(write(tmp_path, template(ESCAPES[name])), **VARIABLES)

    assert message.startswith("a.b/en/text.txt")


@pytest.mark.parametrize("name", ["class", "class by item"])
def test_the_refusal_says_what_is_refused(tmp_path: Path, name: str) -> None:
    """The author of the template sees which name it was."""
    message = fault(write(tmp_path, template(ESCAPES[name])))

    assert message == "a.b/en/text.txt, line 1: access to '__class__' is refused: templates run in a sandbox"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{% for a in range(3) %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/3 2/3 3/3 "),
        ("{% for a in many[:3]|map('string') %}{{ a }}{{ '' if loop.last else ', ' }}{% endfor %}", "0, 1, 2"),
        ("{% for k, v in order.items.items() %}{{ k }}={{ v }} {% endfor %}", "tea=2 cup=1 "),
        ("{% for a in range(20000) %}{% endfor %}ok", "ok"),
        ("{{ missing|default('none') }}", "none"),
        (
            "{{ order.total|round(2) }} {{ '%.2f' % order.total }} {{ 3 * 4 }} {{ '-' * 5 }} {{ 2 ** 8 }}",
            "9.5 9.50 12 ----- 256",
        ),
        (
            "{{ '100000: %5.2f %s'|format(1, 'a') }} {{ '{:,.2f} 100000 {}'.format(9.5, 1) }}",
            "100000:  1.00 a 9.50 100000 1",
        ),
        ("{% for a in tree recursive %}{{ a.n }}{{ loop(a.sub) if a.sub }}{% endfor %}", "123"),
        ("{% for a in range(600) %}{% if a in many %}{{ a }}{% endif %}{% endfor %}", "0123"),
        ("{{ many|map('string')|join(', ') }} {{ ' - '.join(['a', 'b']) }}", "0, 1, 2, 3 a - b"),
        (
            "{% for a in many|batch(3, '-') %}{{ a|join }} {% endfor %}{{ many|slice(2)|list }}",
            "012 3-- [[0, 1], [2, 3]]",
        ),
        (
            "{{ 'a.b.c'|replace('.', '/') }}{{ 'a.b'.replace('.', '') }}{{ 'a' ~ (1 + 2) }}{{ 'a' + 'b' }}",
            "a/b/caba3ab",
        ),
        ("{{ many|tojson }}{{ many|tojson(indent=2)|length }}{{ 'a\nb'|indent(2) }}", "[0, 1, 2, 3]22a\n  b"),
        ("{% macro f(n) %}<{{ n }}>{% endmacro %}{{ f(1) }}{{ f('a') }}", "<1><a>"),
        ("a\n{% if true %}\nb\n{% endif %}\nc", "a\nb\nc"),
    ],
)
def test_ordinary_templates_are_rendered(tmp_path: Path, text: str, made: str) -> None:
    """The bounds are far from what a message needs; a producer's member `items` is no method."""
    variables = {
        "many": [0, 1, 2, 3],
        "order": {"items": {"tea": 2, "cup": 1}, "total": 9.5},
        "tree": [{"n": 1, "sub": [{"n": 2, "sub": []}]}, {"n": 3, "sub": []}],
    }

    assert letter(write(tmp_path, template(text)), **variables).text == made


def test_half_a_surrogate_pair_is_shown_as_a_question_mark(tmp_path: Path) -> None:
    """JSON can hold it, and no message can."""
    files = template("{{ it }}", html="<style>p { color: red }</style><p>{{ it }}</p>", subject="{{ it }}")

    made = letter(write(tmp_path, files), it="a\ud800")

    assert (made.subject, made.text) == ("a?", "a?")
    assert made.html is not None
    assert ">a?</p>" in made.html


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_any_variable_is_rendered_as_text(tmp_path: Path, value: object) -> None:
    """Whatever JSON a producer sends, HTML shows it as text: it opens no element."""
    if not (tmp_path / "a.b").exists():
        write(tmp_path, template("{{ it }}", html="<style>p { color: red }</style><p>{{ it }}</p>", subject="{{ it }}"))

    made = rendered(tmp_path, it=value)

    if isinstance(made, Letter):
        assert made.html is not None
        assert made.html.count("<p") == made.html.count("</p>") == 1
        assert made.html.count("<") == len(ELEMENTS)
    else:
        assert made.message == "a.b/en/subject.txt: it makes more than 10,000 characters"
