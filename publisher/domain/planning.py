"""Plans the routes of an accepted intent: one for each recipient and channel (R1, R3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.domain.channel import Channel
from publisher.domain.intent import AudienceKind, Intent
from publisher.domain.notification import RouteStatus
from publisher.domain.recipient import Recipient
from publisher.domain.rejection import Rejection, RejectionCode


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """A route to create.

    status: PENDING, due at once; or SKIPPED, if the recipient has no address on the channel (R3).
    resolved_email, resolved_locale: None if the intent gave none.
    """

    route_id: str
    channel: str
    status: RouteStatus
    max_attempts: int
    recipient_ref: str
    resolved_email: str | None
    resolved_locale: str | None


def plan_routes(intent: Intent, channels: Mapping[str, Channel]) -> list[PlannedRoute] | Rejection:
    """Returns the routes of an intent, one for each recipient and channel, in a fixed order (R1).

    An intent that names no channels gets every configured channel if it is for users, and email alone if it is for
    addresses. Returns a Rejection if a channel's `reaches` raised: a third party's bug rejects this entry, and no other
    (R21).
    """
    if intent.channels is not None:
        names = intent.channels
    elif intent.audience_kind is AudienceKind.ADMIN_EMAIL:
        names = ("email",)
    else:
        names = tuple(channels)
    routes = []
    for name in names:
        channel = channels[name]
        for place, recipient in enumerate(intent.recipients):
            try:
                is_reached = bool(channel.reaches(recipient))
            except Exception as error:  # noqa: BLE001  (a third party's bug is this entry's rejection)
                # The error's own text may hold the recipient's values.
                return Rejection(
                    RejectionCode.CHANNEL_FAILED,
                    f"recipients_json.{place}: channel {name} could not tell whether it reaches this recipient:"
                    f" its code raised {type(error).__name__}",
                    "recipients_json",
                )
            routes.append(_planned(channel, recipient, is_reached))
    return routes


def _planned(channel: Channel, recipient: Recipient, is_reached: bool) -> PlannedRoute:
    return PlannedRoute(
        route_id=f"{channel.name}:{recipient.ref}",
        channel=channel.name,
        status=RouteStatus.PENDING if is_reached else RouteStatus.SKIPPED,
        max_attempts=channel.max_attempts,
        recipient_ref=recipient.ref,
        resolved_email=recipient.email,
        resolved_locale=recipient.locale,
    )
