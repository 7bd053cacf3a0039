"""Which routes an intent asks for (R1, R3)."""

from collections.abc import Mapping
from typing import Any

import pytest

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel
from publisher.domain.notification import RouteStatus
from publisher.domain.planning import PlannedRoute, plan_routes
from publisher.domain.recipient import Recipient
from publisher.domain.rejection import Rejection, RejectionCode
from tests import factories

SMS = Channel(name="sms", stream="sms:out", encode=EMAIL.encode, max_attempts=3)
ANN = {"user_id": "7", "email": "ann@example.com", "locale": "de"}
BOB = {"user_id": "8"}


def planned(channels: Mapping[str, Channel] = factories.CHANNELS, **fields: Any) -> list[PlannedRoute]:
    """The routes of an intent with these fields."""
    routes = plan_routes(factories.intent(**fields), channels)
    assert isinstance(routes, list)
    return routes


def ids(routes: list[PlannedRoute]) -> list[str]:
    """Their ids, in order."""
    return [route.route_id for route in routes]


def test_a_route_has_everything_an_attempt_needs() -> None:
    """A route keeps its recipient as resolved at acceptance, and its channel's attempts (R1, R3)."""
    routes = planned(recipients_json=[ANN], channels_json=["email"])

    assert routes == [
        PlannedRoute(
            route_id="email:user:7",
            channel="email",
            status=RouteStatus.PENDING,
            max_attempts=16,
            recipient_ref="user:7",
            resolved_email="ann@example.com",
            resolved_locale="de",
        )
    ]


def test_users_are_told_on_every_configured_channel() -> None:
    """An intent for users that names no channels means all there are, third parties' too."""
    routes = planned({**factories.CHANNELS, "sms": SMS}, recipients_json=[ANN])

    assert ids(routes) == ["email:user:7", "push:user:7", "sms:user:7"]
    assert [route.max_attempts for route in routes] == [16, 6, 3]


def test_mailboxes_are_told_by_email_alone() -> None:
    """An intent for addresses that names no channels means email."""
    routes = planned(
        {**factories.CHANNELS, "sms": SMS}, audience_kind="admin_email", recipients_json=[{"email": "ops@example.com"}]
    )

    assert ids(routes) == ["email:address:ops@example.com"]
    assert routes[0].status is RouteStatus.PENDING


def test_named_channels_are_the_only_ones() -> None:
    """A producer's choice of channels is kept to, and to its order."""
    assert ids(planned(recipients_json=[ANN], channels_json=["push"])) == ["push:user:7"]
    assert ids(planned(recipients_json=[ANN], channels_json=["push", "email"])) == ["push:user:7", "email:user:7"]


def test_there_is_one_route_per_recipient_and_channel() -> None:
    """Every recipient is told on every channel, in the same order each time."""
    assert ids(planned(recipients_json=[ANN, BOB])) == ["email:user:7", "email:user:8", "push:user:7", "push:user:8"]


def test_the_largest_intent_makes_a_route_for_each() -> None:
    """A thousand recipients on two channels are two thousand routes, each with an id of its own (R1)."""
    routes = planned(recipients_json=[{"user_id": str(n)} for n in range(1000)])

    assert len(set(ids(routes))) == 2000


@pytest.mark.parametrize(
    ("fields", "skipped"),
    [
        ({"recipients_json": [BOB]}, ["email:user:8"]),
        ({"recipients_json": [ANN, BOB]}, ["email:user:8"]),
        ({"recipients_json": [{"user_id": "8", "email": ""}]}, ["email:user:8"]),
        ({"recipients_json": [{"user_id": "8", "email": None}], "channels_json": ["email"]}, ["email:user:8"]),
        ({"recipients_json": [ANN]}, []),
        ({"recipients_json": [{"user_id": "8", "email": "no address"}]}, []),
        (
            {"audience_kind": "admin_email", "recipients_json": [{"email": "a@b.c"}], "channels_json": ["push"]},
            ["push:address:a@b.c"],
        ),
    ],
)
def test_a_recipient_without_an_address_there_is_skipped(fields: dict[str, Any], skipped: list[str]) -> None:
    """Such a route is kept, as skipped, and never attempted; the others are pending (R3)."""
    routes = planned(**fields)

    assert ids([route for route in routes if route.status is RouteStatus.SKIPPED]) == skipped
    assert {route.status for route in routes} <= {RouteStatus.SKIPPED, RouteStatus.PENDING}


def test_the_channel_says_whom_it_reaches() -> None:
    """A third party's channel decides by itself who has an address on it (R3, R24)."""
    german = Channel(name="fax", stream="fax:out", encode=PUSH.encode, reaches=lambda r: r.locale == "de")

    routes = planned({"fax": german}, recipients_json=[ANN, BOB])

    assert [route.status for route in routes] == [RouteStatus.PENDING, RouteStatus.SKIPPED]


def test_a_channel_that_cannot_tell_rejects_its_own_entry() -> None:
    """If a third party's `reaches` raises, the entry is malformed: the reason names the channel and the recipient's
    place, and holds no value of the error (R21, R26)."""

    def reaches(recipient: Recipient) -> bool:
        if recipient.email is None:
            raise LookupError(f"no phone for {recipient.ref}")
        return True

    sms = Channel(name="sms", stream="sms:out", encode=EMAIL.encode, reaches=reaches)
    channels = {**factories.CHANNELS, "sms": sms}

    assert ids(planned({"sms": sms}, recipients_json=[ANN])) == ["sms:user:7"]
    assert plan_routes(factories.intent(recipients_json=[ANN, BOB]), channels) == Rejection(
        RejectionCode.CHANNEL_FAILED,
        "recipients_json.1: channel sms could not tell whether it reaches this recipient: its code raised LookupError",
    )
