"""Configures the logs of this process by its settings."""

import os

import structlog

from publisher.process import logs
from publisher.process.colours import has_colours
from publisher.settings.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Sends this process's logs where the settings say, and warns of settings that are ignored or dangerous."""
    logs.configure(
        level=settings.log_level,
        format=settings.log_format,
        addresses=settings.log_addresses,
        colours=has_colours(2, os.environ),
    )
    for said, fields in settings.warnings:
        structlog.get_logger().warning(said, **fields)
