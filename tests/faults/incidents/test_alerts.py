"""The alert rules, evaluated by Prometheus itself over what real processes served in real incidents (R25)."""

import os
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.faults.incidents.incidents import HEALTHY, INCIDENTS, Incident
from tests.faults.incidents.promtool import PROMTOOL, alerts, first_firing
from tests.faults.incidents.recording import INTERVAL, read

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and "TESTS_NEED_PROMTOOL" not in os.environ,
    reason="promtool is missing: it comes with Debian's package `prometheus`",
)
by_name = pytest.mark.parametrize("incident", INCIDENTS, ids=[incident.name for incident in INCIDENTS])


def test_every_alert_has_an_incident() -> None:
    """None is shipped that nobody has seen fire."""
    fired = [alert for incident in INCIDENTS for alert in incident.fires]

    assert sorted(fired) == sorted(alerts())


@needs_promtool
@by_name
def test_each_alert_fires_in_its_incident_within_its_time(incident: Incident) -> None:
    """And not before the incident began: the minute before it all was well."""
    recording = read(incident.name)

    fired = {alert: recording.since(second) for alert, second in first_firing(recording).items()}

    assert all(second >= 0 for second in fired.values()), fired
    late = {alert: within for alert, within in incident.fires.items() if fired.get(alert, within + 1) > within}
    assert late == {}, fired
    assert fired == recording.fired, "the rules have changed: run `python -m tests.faults.incidents --judge`"


def test_the_healthy_run_is_long_enough_for_every_alert() -> None:
    """It lasts longer than any alert may take to fire."""
    longest = max(within for incident in INCIDENTS for within in incident.fires.values())

    assert read(HEALTHY).lasts > longest


@needs_promtool
def test_no_alert_fires_while_all_is_well() -> None:
    """Nobody is woken for nothing."""
    assert first_firing(read(HEALTHY)) == {}


@needs_promtool
def test_without_any_metrics_it_is_told_that_nothing_is_observed() -> None:
    """Silence is no health: if nothing can be scraped, that is an alert."""
    healthy = read(HEALTHY)
    nothing = replace(healthy, series={"up": f"0x{healthy.scrapes - 1}"})

    assert first_firing(nothing) == {"PublisherNotObserved": pytest.approx(60, abs=2 * INTERVAL.total_seconds())}


@needs_promtool
def test_a_healthy_system_hides_no_other() -> None:
    """One Prometheus may scrape several, each under a job of its own."""
    healthy = read(HEALTHY)
    others = [_of_job(read(name).series, name) for name in ("clock-gone", "worker-gone")]
    together = replace(healthy, series={key: text for series in others for key, text in series.items()})
    both = replace(together, series={**together.series, **_of_job(healthy.series, HEALTHY)})

    assert set(first_firing(both)) == {"PublisherNotObserved", "PublisherWorkersGone", "PublisherAuditOverdue"}


def _of_job(series: Mapping[str, str], job: str) -> Mapping[str, str]:
    return {name.replace("{", f'{{job="{job}",', 1): text for name, text in series.items() if "_bucket{" not in name}
