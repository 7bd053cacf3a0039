"""The lanes of a channel: how urgent a route is beside others that are due (R31)."""

from enum import StrEnum


class Lane(StrEnum):
    """The lane of an intent and its routes, the most urgent first."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"
