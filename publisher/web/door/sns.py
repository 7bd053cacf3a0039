"""Reads what Amazon SNS sends about a subscription itself. No address that it names is ever called."""

import re
from dataclasses import dataclass

from publisher.mail.reports.fields import json_object, text_of
from publisher.mail.reports.report import NotAReport
from publisher.web.door.problems import Problem

_REQUIRED = ("MessageId", "TopicArn", "Token", "SubscribeURL", "Timestamp")
_ENDED = "UnsubscribeConfirmation"
# The whole host, and nothing before it: others may have `sns.` and a name of their own under amazonaws.com, and what
# reads an address as a browser does takes a backslash for the end of the host.
_OF_AMAZON = re.compile(r"https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[!-\[\]-~]*")
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """A subscription that begins or ended.

    topic: the topic's ARN.
    confirm_at: the address that is to be opened once, and then its notifications come; None: it ended.
    """

    topic: str
    confirm_at: str | None


def read_subscription(body: bytes) -> SubscriptionChange | None:
    """Returns what the body says about a subscription; None: it is something else.

    Raises Problem 422 for one that lacks a field, or whose address is none of Amazon's.
    """
    fields = json_object(body)
    kind = "" if isinstance(fields, NotAReport) else text_of(fields, "Type")
    if isinstance(fields, NotAReport) or kind not in ("SubscriptionConfirmation", _ENDED):
        return None
    values = {name: text_of(fields, name) or "" for name in _REQUIRED}
    for name, value in values.items():
        if not value or len(value) > _LONGEST or not value.isprintable():
            raise Problem(422, f"{name}: is missing, or is no line of text", "not_understood", name)
    if _OF_AMAZON.fullmatch(values["SubscribeURL"]) is None:
        raise Problem(422, "SubscribeURL: is no address of Amazon SNS", "not_understood", "SubscribeURL")
    return SubscriptionChange(values["TopicArn"], None if kind == _ENDED else values["SubscribeURL"])
