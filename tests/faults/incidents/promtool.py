"""Asks Prometheus' `promtool` what the alert rules and other expressions make of a recording."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from tests.faults.incidents.recording import INTERVAL, Recording

ALERTS = Path(str(files("publisher.observability").joinpath("files/alerts.yml")))
PROMTOOL = shutil.which("promtool")
_NAME = re.compile(r"^ *- alert: (\w+)$", re.MULTILINE)
# promtool tells which test does not hold by its expression alone: each is given its number, where it changes nothing.
_TEST = re.compile(r'no_series\{test=\\"(\d+)\\"\}')


def alerts() -> Sequence[str]:
    """The names of the alert rules, as they stand in their file."""
    return _NAME.findall(ALERTS.read_text())


def first_firing(recording: Recording) -> Mapping[str, float]:
    """Each alert that fires in the recording: when first, in seconds of the recording."""
    step = round(INTERVAL.total_seconds())
    asked = [(alert, second) for alert in alerts() for second in range(0, round(recording.lasts) + 1, step)]
    selectors = [f'ALERTS{{alertname="{alert}",alertstate="firing"}}' for alert, _ in asked]
    silent = _without_value(recording, [(each, second) for each, (_, second) in zip(selectors, asked, strict=True)])
    found: dict[str, float] = {}
    for place, (alert, second) in enumerate(asked):
        if place not in silent:
            found.setdefault(alert, second)
    return found


def without_value(recording: Recording, expressions: Sequence[str], seconds: float) -> Collection[str]:
    """Those of these expressions that have no value so many seconds into the recording.

    Raises AssertionError if one of them is no expression.
    """
    return [expressions[n] for n in _without_value(recording, [(each, round(seconds)) for each in expressions])]


def _without_value(recording: Recording, asked: Sequence[tuple[str, int]]) -> set[int]:
    """The places of those that have no value. Each is an expression and the second at which it is evaluated."""
    tests = [
        {
            "expr": f'(count({expression}) > bool -1) unless on () no_series{{test="{place}"}}',
            "eval_time": f"{second}s",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for place, (expression, second) in enumerate(asked)
    ]
    return {int(place) for place in _TEST.findall(_said(recording, tests))}


def _said(recording: Recording, tests: Sequence[Mapping[str, object]]) -> str:
    """What promtool says of the tests that do not hold. Raises AssertionError if it cannot evaluate them."""
    assert PROMTOOL is not None, "promtool is missing: install Debian's package `prometheus`"
    interval = f"{INTERVAL.total_seconds():.0f}s"
    document = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": interval,
                "input_series": [{"series": name, "values": text} for name, text in recording.series.items()],
                "promql_expr_test": list(tests),
            }
        ],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump(document, file)
        file.flush()
        done = subprocess.run([PROMTOOL, "test", "rules", file.name], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and "exp:" not in said:
        raise AssertionError(said[:2000])
    return said
