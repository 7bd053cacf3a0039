"""Lists every table. Migrations create them; a test compares them with these models."""

import peewee

from storage.models.answers import DeliveryEvent, MailDelivery, MailReferenceKey, MailSuppression
from storage.models.control import Cancellation, ChannelLimit, Hold
from storage.models.door import DoorToken
from storage.models.intents import IntentsLoss, IntentsMark, IntentsReplay, MalformedIntent
from storage.models.routes import DeadLetter, Notification, Route, RouteFailure
from storage.models.upkeep import ChannelGate, OperatorAction, PrunedNotification, StreamAudit

MODELS: tuple[type[peewee.Model], ...] = (
    Notification,
    DeadLetter,
    Route,
    RouteFailure,
    ChannelGate,
    OperatorAction,
    MalformedIntent,
    StreamAudit,
    PrunedNotification,
    Cancellation,
    Hold,
    ChannelLimit,
    DeliveryEvent,
    MailDelivery,
    MailSuppression,
    MailReferenceKey,
    DoorToken,
    IntentsMark,
    IntentsReplay,
    IntentsLoss,
)
