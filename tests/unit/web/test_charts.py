"""Charts of the last ten minutes, drawn on the server."""

import re
from datetime import UTC, datetime, timedelta

from publisher.web.charts import line_chart

_NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


def _lines(chart: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (corner.split(",") for corner in points.split())]
        for points in re.findall(r'points="([^"]*)"', chart)
    ]


def test_the_newest_value_is_at_the_right_and_the_highest_at_the_top() -> None:
    """A chart reaches from ten minutes ago at its left to now at its right."""
    ago = timedelta(minutes=10), timedelta(minutes=5), timedelta(0)
    [line] = _lines(line_chart([(_NOW - before, value) for before, value in zip(ago, (0, 4, 2), strict=True)], "x", ""))
    assert [x for x, _ in line] == [0.0, 120.0, 240.0]
    heights = [y for _, y in line]
    assert heights[1] < heights[2] < heights[0]


def test_what_nobody_knows_is_a_gap() -> None:
    """While PostgreSQL could not be read, the chart has no line."""
    values = [(_NOW - timedelta(minutes=m), None if m in (2, 3) else 1.0) for m in range(5, -1, -1)]
    before, after = _lines(line_chart(values, "x", ""))
    assert max(x for x, _ in before) < min(x for x, _ in after)


def test_a_screen_reader_is_told_the_figures() -> None:
    """A chart says its last and its highest value in words, and nothing a stranger wrote is markup in it."""
    chart = line_chart([(_NOW - timedelta(minutes=1), 1234.0), (_NOW, 0.4)], 'on <script>"', "/s")
    assert "now 0.4/s, at most 1,234/s" in chart
    assert "<script>" not in chart


def test_a_chart_without_figures_says_so() -> None:
    """Before the first snapshot there is no chart."""
    assert "no figures yet" in line_chart([(_NOW, None)], "x", "")
