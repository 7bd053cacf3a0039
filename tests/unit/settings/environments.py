"""Settings of an environment in which all is well but for a few variables."""

from collections.abc import Mapping

from publisher.settings.settings import Settings

URLS = {"DATABASE_URL": "postgresql://publisher:hunter2@db:5432/publisher", "REDIS_URL": "redis://redis:6379/0"}


def read(environ: Mapping[str, str] | None = None, **variables: str) -> Settings:
    """The settings of an environment that is good but for these variables, named without their prefix."""
    prefixed = {f"PUBLISHER_{name}": value for name, value in variables.items()}
    return Settings.from_environ({**URLS, **(environ or {}), **prefixed}, {})
