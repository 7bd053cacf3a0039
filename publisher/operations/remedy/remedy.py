"""The remedy of a finding, as a value: a terminal prints it as a command, a page shows it as a button."""

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """An operation that an explanation leads to. In brackets what it is about.

    REPUBLISH: publish a route again (its delivery id).
    REQUEUE: make a dead-lettered route pending again (its delivery id).
    DISCARD: mark a dead letter that no requeue helps as dealt with (its delivery id).
    RESUME_CHANNEL: let a paused channel go on (its name).
    REMOVE_HOLD: let go what a hold holds (its number).
    SEND_HELD: send a message again that may have been accepted (its delivery id).
    SETTLE_HELD: count such a message as accepted (its delivery id).
    SUPPRESS: have no further message sent to an address (nothing: addresses are masked).
    CHECK_MAIL: see whether the SMTP server takes mail (nothing).
    CHECK_STATUS: see which processes run and how much is due (nothing).
    SHOW_MALFORMED: read an intent that was not accepted, and what to do about it (its id).
    LOOK_UP: find everything that an id leads to (the id).
    """

    REPUBLISH = "republish"
    REQUEUE = "requeue"
    DISCARD = "discard"
    RESUME_CHANNEL = "resume_channel"
    REMOVE_HOLD = "remove_hold"
    SEND_HELD = "send_held"
    SETTLE_HELD = "settle_held"
    SUPPRESS = "suppress"
    CHECK_MAIL = "check_mail"
    CHECK_STATUS = "check_status"
    SHOW_MALFORMED = "show_malformed"
    LOOK_UP = "look_up"


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence that leads to a remedy, which is to be shown after it. about: the id or name that the remedy needs."""

    text: str
    remedy: Remedy
    about: str = ""


# A sentence for people, with or without a remedy.
Sentence = str | Advice
