"""`POST /v1/delivery-events/ses` and `/postmark`: takes in what a provider notifies of, as the provider sends it.

Whatever is understood is answered with 200, also what tells nothing of a delivery of ours: a provider repeats
everything else, and a repetition would change nothing.
"""

from datetime import UTC, datetime, timedelta
from functools import cached_property

import structlog

from publisher.channels.email import EMAIL
from publisher.mail.bounces.attribution import Answer as Attributed
from publisher.mail.bounces.notified import Provider, take_notified
from publisher.mail.reports.report import NotAReport
from publisher.process.telemetry import Telemetry
from publisher.web.door.problems import Problem
from publisher.web.door.serving import Answer
from publisher.web.door.sns import read_subscription
from storage.database import Database
from storage.mail.reference_key import mail_reference_key
from storage.tokens import TokenRecord

_log = structlog.get_logger()
# What a confirmation would have to do is for an operator: this service calls no address that a request names.
_CONFIRM = "open the SubscribeURL that the log of this service shows, or confirm the subscription in the SNS console"


class Providers:
    """Takes them in. Safe to share between threads."""

    def __init__(self, database: Database, telemetry: Telemetry, suppress: timedelta) -> None:
        """suppress: how long an address that bounced stays suppressed; zero: none is."""
        self._database = database
        self._telemetry = telemetry
        self._suppress = suppress

    def post_ses(self, sender: TokenRecord, body: bytes) -> Answer:
        """Records an event of Amazon SES, bare or wrapped by SNS. Raises Problem, and Unavailable."""
        _check(sender, Provider.SES)
        change = read_subscription(body)
        if change is None:
            return self._post(Provider.SES, sender, body)
        if change.confirm_at is None:
            _log.warning("a subscription of Amazon SNS ended", topic=change.topic, producer=sender.producer)
            return Answer(200, {"result": "passed_over", "detail": "the subscription ended"})
        _log.warning(
            "a subscription of Amazon SNS waits for an operator, who opens its address once",
            topic=change.topic,
            subscribe_url=change.confirm_at,
            producer=sender.producer,
        )
        return Answer(200, {"result": "to_be_confirmed", "detail": _CONFIRM})

    def post_postmark(self, sender: TokenRecord, body: bytes) -> Answer:
        """Records what a webhook of Postmark tells. Raises Problem, and Unavailable."""
        _check(sender, Provider.POSTMARK)
        return self._post(Provider.POSTMARK, sender, body)

    @cached_property
    def _key(self) -> bytes:
        return mail_reference_key(self._database)

    def _post(self, provider: Provider, sender: TokenRecord, body: bytes) -> Answer:
        now = datetime.now(UTC)
        [found] = take_notified(self._database, provider, [body], self._key, now, self._suppress)
        if isinstance(found.outcome, Attributed):
            event = found.outcome.event
            self._telemetry.delivery_events(EMAIL.name, event.event, "new" if found.is_new else "known")
            _log.info("delivery events recorded", events=int(bool(found.is_new)), known=int(not found.is_new))
            result = "recorded" if found.is_new else "recorded_before"
            return Answer(200, {"result": result, "event_id": event.event_id, "delivery_id": event.delivery_id})
        if isinstance(found.outcome, NotAReport) and not found.outcome.is_known:
            self._telemetry.delivery_events("", "", "refused")
            _log.warning(
                f"a notification of {provider} was refused", producer=sender.producer, reason=found.outcome.reason
            )
            raise Problem(422, found.outcome.reason, "not_understood")
        if not isinstance(found.outcome, NotAReport):
            _log.warning(
                f"a notification of {provider} is about no delivery of ours",
                producer=sender.producer,
                reason=found.outcome.reason,
            )
        return Answer(200, {"result": "passed_over", "detail": found.outcome.reason})


def _check(sender: TokenRecord, provider: Provider) -> None:
    """Raises Problem 403 for a token of another source: an event is recorded under the provider's, and suppresses."""
    if sender.producer != provider:
        detail = (
            f"this token is for the source {sender.producer!r} alone: publisher tokens add {provider} --sends events"
        )
        raise Problem(403, detail, "forbidden")
