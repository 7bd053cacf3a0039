"""Lists every table. Migrations create them; a test compares them with these models."""

import peewee

from storage.answers_models import DeliveryEvent, MailDelivery, MailReferenceKey, MailSuppression
from storage.control_models import Cancellation, ChannelLimit, Hold
from storage.door_models import DoorToken
from storage.intents_models import IntentsLoss, IntentsMark, IntentsReplay, MalformedIntent
from storage.route_models import DeadLetter, Notification, Route, RouteFailure
from storage.upkeep_models import ChannelGate, OperatorAction, PrunedNotification, StreamAudit

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
