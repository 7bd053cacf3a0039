"""The counters, by the names and labels that dashboards use (R25)."""

import socket
from contextlib import closing

import pytest

from publisher.domain.errors import SettingsError
from publisher.telemetry import Telemetry, metrics_directory

TURN = "game.turn.ready"
Sample = tuple[str, dict[str, str], float]


@pytest.fixture
def telemetry() -> Telemetry:
    """Counters of this test's own."""
    return Telemetry()


def counted(telemetry: Telemetry) -> list[Sample]:
    """Everything that was counted, with the labels as they are exposed."""
    return sorted(
        (
            (sample.name, sample.labels, sample.value)
            for metric in telemetry.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ),
        key=str,
    )


def test_nothing_is_counted_at_first(telemetry: Telemetry) -> None:
    """A fresh process has counted nothing (R25)."""
    assert counted(telemetry) == []


def test_a_published_route_counts_an_attempt(telemetry: Telemetry) -> None:
    """A published route counts one attempt, of its channel and type, without a classification (R25)."""
    telemetry.published("email", {TURN: 2, "shop.order": 1})

    labels = {"channel": "email", "result": "published", "classification": ""}
    assert counted(telemetry) == [
        ("route_publish_attempts_total", {**labels, "notification_type": TURN}, 2),
        ("route_publish_attempts_total", {**labels, "notification_type": "shop.order"}, 1),
    ]


def test_a_rescheduled_route_counts_an_attempt_and_a_retry(telemetry: Telemetry) -> None:
    """A failed attempt with another one coming counts as an attempt, with its classification, and as a retry (R25)."""
    telemetry.retried("push", TURN, "gateway_stream_publish_failed")

    labels = {"channel": "push", "notification_type": TURN}
    assert counted(telemetry) == [
        (
            "route_publish_attempts_total",
            {**labels, "result": "retry", "classification": "gateway_stream_publish_failed"},
            1,
        ),
        ("route_retries_total", labels, 1),
    ]


def test_a_dead_letter_counts_an_attempt_and_a_dead_letter(telemetry: Telemetry) -> None:
    """A route given up counts as an attempt and as a dead letter, both with its classification (R25)."""
    telemetry.dead_lettered("email", TURN, "payload_encoding_failed")

    labels = {"channel": "email", "notification_type": TURN, "classification": "payload_encoding_failed"}
    assert counted(telemetry) == [
        ("route_dead_letters_total", labels, 1),
        ("route_publish_attempts_total", {**labels, "result": "dead_letter"}, 1),
    ]


def test_intents_are_counted_by_what_became_of_them(telemetry: Telemetry) -> None:
    """Each result has its count, and a result that did not happen none (R25)."""
    telemetry.intents("accepted", 498)
    telemetry.intents("malformed", 2)
    telemetry.intents("accepted", 1)
    telemetry.intents("duplicate", 0)

    assert counted(telemetry) == [
        ("intents_total", {"result": "accepted"}, 499),
        ("intents_total", {"result": "malformed"}, 2),
    ]


def test_lost_commands_are_counted(telemetry: Telemetry) -> None:
    """What Redis lost is counted by channel (R12a)."""
    telemetry.lost("email", 3)

    assert counted(telemetry) == [("routes_lost_total", {"channel": "email"}, 3)]


def test_each_telemetry_counts_for_itself(telemetry: Telemetry) -> None:
    """Each Telemetry has a registry of its own: a second one in the same process is no error (R25)."""
    telemetry.lost("email", 1)

    assert counted(Telemetry()) == []


def test_no_port_serves_nothing(telemetry: Telemetry) -> None:
    """Port 0, the default, opens none (spec section 8)."""
    telemetry.expose(0)


def test_a_port_that_is_taken_is_a_settings_error(telemetry: Telemetry) -> None:
    """The message names the variable and the port (spec section 8)."""
    with closing(socket.create_server(("0.0.0.0", 0))) as taken:  # noqa: S104 — what `expose` itself binds
        port = taken.getsockname()[1]

        with pytest.raises(SettingsError, match=f"PUBLISHER_METRICS_PORT: port {port} cannot be used"):
            telemetry.expose(port)


def test_workers_of_one_master_share_a_folder_and_no_others() -> None:
    """Two deployments on one machine do not add up each other's counters (R15, R25)."""
    assert metrics_directory(17) == metrics_directory(17) != metrics_directory(18)
