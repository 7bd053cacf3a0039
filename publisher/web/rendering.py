"""Renders the templates: whatever stands in a page is escaped, and addresses are masked unless they were asked for.

A template is given values alone. `reveal` among them is True for whoever may see addresses, and has asked for them.
"""

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from publisher.domain.instants import readable
from publisher.domain.masking import masked
from publisher.operations.wording import coarse
from publisher.web.charts import line_chart
from publisher.web.security.access import Visitor

_TEMPLATES = Path(__file__).parent / "templates"


class Rendering:
    """The templates. is_open: whether everybody who reaches the page may do everything, which each page says."""

    def __init__(self, *, is_open: bool) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self._environment.globals.update(is_open=is_open, line_chart=line_chart, reveal=False, error=None)
        self._environment.filters.update(
            count="{:,}".format,
            rate=_rate,
            lasting=_lasting,
            instant=_instant,
            quoted=_quoted,
            as_typed=escape,
            address=_address,
        )

    def page(self, template: str, visitor: Visitor, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """Returns a page for this visitor. Raises jinja2's errors for a template that is wrong, which is a bug."""
        text = self._environment.get_template(template).render(visitor=visitor, **values)
        return HTMLResponse(text, status)

    def refused(self, reason: str, status: int) -> HTMLResponse:
        """Returns the page that tells a person, whoever that is, why a change was refused."""
        return HTMLResponse(self._environment.get_template("refused.html").render(reason=reason), status)


@pass_context
def _shown(context: Context, value: object) -> object:
    """Masks the addresses in every text that a template prints."""
    if value is None:
        return "–"
    if isinstance(value, str) and not isinstance(value, Markup) and not context.get("reveal"):
        return masked(value)
    return value


@pass_context
def _address(context: Context, text: str) -> str:
    """Masks the whole of a text that is an address, whatever its form (R36)."""
    name = "address:"
    return text if context.get("reveal") else masked(name + text).removeprefix(name)


def _rate(a_second: float) -> str:
    """Words a number a second: `0`, `0.4`, `1,234`."""
    if 0 < a_second < 0.1:
        return "<0.1"
    return f"{a_second:,.1f}" if 0 < a_second < 10 else f"{a_second:,.0f}"


def _lasting(duration: timedelta | None) -> str:
    return "–" if duration is None else coarse(duration)


def _instant(at: datetime | None) -> Markup:
    if at is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), readable(at))


def _quoted(text: object) -> str:
    """Quotes a word of a command line, where a shell would read it as something else."""
    return shlex.quote(str(text))
