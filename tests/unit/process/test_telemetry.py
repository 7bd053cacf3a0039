"""The counters, by the names and labels that dashboards use (R25)."""

import pytest

from publisher.process.telemetry import OTHER_TYPES, TYPES_COUNTED, Telemetry

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
            if metric.type == "counter" and not sample.name.endswith("_created")
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


def test_types_beyond_the_limit_are_counted_together(telemetry: Telemetry) -> None:
    """A type is a producer's text: however many there are, a process has a few hundred series, and loses no count."""
    types = [f"type-{n}" for n in range(TYPES_COUNTED + 50)]
    for notification_type in [*types, *types]:
        telemetry.published("email", {notification_type: 1})
        telemetry.retried("email", notification_type, "payload_encoding_failed")
        telemetry.dead_lettered("push", notification_type, "payload_encoding_failed")
        telemetry.expired("push", notification_type)
        telemetry.cancelled("push", notification_type)

    for name, results in (
        ("route_publish_attempts_total", 3),
        *((f"route_{name}_total", 1) for name in ("retries", "dead_letters")),
        *((f"routes_{name}_total", 1) for name in ("expired", "cancelled")),
    ):
        samples = [sample for sample in counted(telemetry) if sample[0] == name]
        assert {labels["notification_type"] for _, labels, _ in samples} == {*types[:TYPES_COUNTED], OTHER_TYPES}
        assert len(samples) == results * (TYPES_COUNTED + 1)
        assert sum(count for _, _, count in samples) == results * 2 * len(types)
