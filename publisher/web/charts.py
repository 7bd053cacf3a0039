"""Draws a line chart as SVG, here and not in the browser: it needs no script and no style of its own."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from publisher.web.history import KEPT

_WIDTH, _HEIGHT = 240, 48
# Room above and below the line, so that its width is not cut.
_EDGE = 2


def line_chart(values: Sequence[tuple[datetime, float | None]], label: str, unit: str) -> Markup:
    """Draws the values of the last ten minutes. A value that is None, which nobody knows, is a gap.

    label: names the chart for a screen reader, which is told the last and the highest value as well. unit: of a value.
    """
    known = [value for _, value in values if value is not None]
    if not known:
        return Markup('<span class="none">no figures yet</span>')
    top = max(known)
    said = f"{label}, the last ten minutes: now {_figure(known[-1])}{unit}, at most {_figure(top)}{unit}"
    lines = Markup("").join(
        Markup('<polyline points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in part))
        for part in _parts(values, top)
    )
    return Markup(
        '<figure class="chart"><svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{said}"'
        ' preserveAspectRatio="none"><title>{said}</title>{lines}</svg>'
        "<figcaption>ten minutes, at most {top}{unit}</figcaption></figure>"
    ).format(w=_WIDTH, h=_HEIGHT, said=said, lines=lines, top=_figure(top), unit=unit)


def _parts(values: Sequence[tuple[datetime, float | None]], top: float) -> Sequence[Sequence[tuple[float, float]]]:
    """Returns the corners of each line between two gaps."""
    end = values[-1][0]
    parts: list[list[tuple[float, float]]] = [[]]
    for at, value in values:
        if value is None:
            parts.append([])
            continue
        x = _WIDTH * (1 - (end - at) / KEPT)
        y = _EDGE + (_HEIGHT - 2 * _EDGE) * (1 - (value / top if top else 0))
        parts[-1].append((x, y))
    # A line has two ends: a value alone is drawn as a short one.
    return [part if len(part) > 1 else [part[0], (part[0][0] + 1, part[0][1])] for part in parts if part]


def _figure(value: float) -> str:
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"
