"""What the shipped files watch exists: each metric is served, each expression is one, each query has an answer."""

import json
import re
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest

from publisher.guides.shelf import NAMES as GUIDES
from publisher.guides.shelf import read_guide
from publisher.mail.counters import MailCounters
from publisher.observability.catalogue import GAUGES
from publisher.observability.shelf import FILES, read_watch_file
from publisher.operations.verdict.verdict import Cause
from publisher.process.telemetry import Telemetry
from tests.acceptance.command_tree import commands
from tests.faults.incidents.expressions import metrics_of
from tests.faults.incidents.incidents import HEALTHY
from tests.faults.incidents.promtool import without_value
from tests.faults.incidents.recording import read
from tests.faults.incidents.test_alerts import needs_promtool

_EXPR = re.compile(r"^ +(?:expr|query): (?:>-\n((?: {10,}.*\n)+)|(.*)\n)", re.MULTILINE)


def panels() -> Iterator[dict[str, Any]]:
    """The panels of the dashboard."""
    yield from json.loads(read_watch_file("dashboard"))["panels"]


def dashboard_expressions() -> list[str]:
    """The expressions of the dashboard, with its variables filled in."""
    found = [str(target["expr"]) for panel in panels() for target in panel.get("targets", [])]
    return [each.replace("$channel", ".*").replace("$job", ".*").replace("$__rate_interval", "1m") for each in found]


def rule_expressions(name: str) -> list[str]:
    """The expressions of a YAML file."""
    return [" ".join((several or one).split()) for several, one in _EXPR.findall(read_watch_file(name))]


def exported() -> set[str]:
    """Every name that the processes serve."""
    telemetry = Telemetry()
    MailCounters(telemetry.registry)
    prometheus_client.ProcessCollector(registry=telemetry.registry)
    names = {gauge.name for gauge in GAUGES}
    for metric in telemetry.registry.collect():
        kinds = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
        names |= {metric.name + kind for kind in kinds}
    return names


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ('sum by (channel) (rate(a_total{result="b", c=~"d|e"}[5m])) > 0', {"a_total"}),
        ("max(a) > 1 unless on (x, y) min by (x) (b:c) <= 60", {"a", "b:c"}),
        ('absent(a) or time() - max(a{x="}"}) > 60 and b offset 5m', {"a", "b"}),
        ("histogram_quantile(0.9, sum by (le) (rate(a_bucket[$__rate_interval])))", {"a_bucket"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, metrics: set[str]) -> None:
    """Names of labels, functions and operators are none."""
    assert metrics_of(expression) == metrics


@pytest.mark.parametrize("name", ["alerts", "keda"])
def test_a_rule_names_metrics_that_are_served(name: str) -> None:
    """A metric that is renamed is renamed here, too."""
    expressions = rule_expressions(name)

    assert len(expressions) >= 2
    assert {metric for each in expressions for metric in metrics_of(each)} <= exported()


def test_a_panel_names_metrics_that_are_served() -> None:
    """A panel that can never show anything is none."""
    expressions = dashboard_expressions()

    assert len(expressions) > 30
    assert {metric for each in expressions for metric in metrics_of(each)} <= exported()


def test_an_alert_names_causes_that_there_are() -> None:
    """The causes of the verdict are stable names, and a mistyped one would never fire: in a rule, and in the guide."""
    causes = {cause for each in rule_expressions("alerts") for cause in re.findall(r'cause="(\w+)"', each)}
    [selected] = re.findall(r"select\(\.code \| IN\((.*?)\)", read_guide("observing").text, re.DOTALL)
    causes |= {cause.strip(' "\n') for cause in selected.split(",")}

    assert len(causes) > 6
    assert causes <= {cause.value for cause in Cause}


def test_a_command_that_is_named_exists() -> None:
    """Who is paged types it as it stands there."""
    text = " ".join(read_watch_file(each.name) for each in FILES)
    named = {" ".join(found.split()) for found in re.findall(r"`publisher((?:\s+[a-z][a-z-]*)+)", text)}
    known = {*commands(), *(f"guide {guide}" for guide in GUIDES), *(f"observability show {x.name}" for x in FILES)}

    assert len(named) > 15
    assert named <= known


@needs_promtool
def test_a_scaler_takes_blindness_for_no_idleness() -> None:
    """Its queries have a value in a healthy run, and none without a clock: KEDA is told to take that for an error."""
    expressions, gone = rule_expressions("keda"), read("clock-gone")

    assert without_value(read(HEALTHY), expressions, read(HEALTHY).lasts) == []
    assert without_value(gone, expressions, gone.lasts) == expressions
    text = read_watch_file("keda")
    assert text.count('ignoreNullValues: "false"') == text.count("fallback:") == len(expressions)


@needs_promtool
def test_the_dashboard_shows_the_recorded_metrics() -> None:
    """Each panel has a value in a healthy run, but for those of what went wrong and of what is not in use."""
    healthy = read(HEALTHY)
    # No channel has a limit; nothing failed; the tests record no metrics of Python's processes.
    nothing = {"What is wrong", "Rate limits", "Failed attempts", "Delivery events taken in", "CPU", "Memory"}
    shown = [panel for panel in panels() if panel["title"] not in nothing and panel["type"] != "row"]
    expressions = dashboard_expressions()
    of = {str(t["expr"]): panel["title"] for panel in shown for t in panel["targets"]}
    filled = dict(zip([str(t["expr"]) for p in panels() for t in p.get("targets", [])], expressions, strict=True))

    empty = without_value(healthy, expressions, healthy.lasts)

    assert [title for expression, title in of.items() if filled[expression] in empty] == []
    assert {title for expression, title in of.items() if filled[expression] not in empty} == {
        panel["title"] for panel in shown
    }


def test_every_panel_says_what_it_shows() -> None:
    """And stands on a grid of 24 columns, none over another."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["type"] == "row" or panel["description"], panel["title"]
        place = panel["gridPos"]
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in lines}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_a_tile_shows_what_is_now() -> None:
    """Of a range Grafana would show the last value: all green for an hour after the clock is gone."""
    targets = [target for panel in panels() if panel["type"] == "stat" for target in panel["targets"]]

    assert targets
    assert all(target.get("instant") and target.get("range") is False for target in targets)


def test_every_file_says_how_it_is_printed() -> None:
    """JSON has no comments; the others begin with the command."""
    for each in FILES:
        text = read_watch_file(each.name)
        assert each.file.endswith(".json") or f"publisher observability show {each.name}" in text[:400], each.name
