"""Reads the settings from the environment, once a process, and configures its logs by them."""

import os
from collections.abc import Mapping

import structlog

from publisher.channels.registry import discover_channels
from publisher.process import logs
from publisher.settings.settings import Settings


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings of this process and finds every channel that is installed. Raises SettingsError."""
    return Settings.from_environ(os.environ if environ is None else environ, discover_channels())


def configure_logs(settings: Settings) -> None:
    """Sends this process's logs where the settings say, and warns of settings that are ignored or dangerous."""
    logs.configure(level=settings.log_level, format=settings.log_format, addresses=settings.log_addresses)
    for old, new in settings.renamed_variables.items():
        structlog.get_logger().warning("a setting has a new name", variable=old, understood_as=new)
    if settings.unknown_variables:
        structlog.get_logger().warning("unknown settings are ignored", variables=list(settings.unknown_variables))
    if settings.redis_tls == "insecure":
        structlog.get_logger().warning("PUBLISHER_REDIS_TLS=insecure: the certificate of Redis is not verified")
