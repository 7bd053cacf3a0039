"""How a command begins: its settings are read, its logs are configured, and PostgreSQL is opened if it needs it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from publisher.bootstrap import open_patient_database
from publisher.environment import configure_logs, load_settings
from publisher.settings.settings import Settings
from storage.database import Database


def configured() -> Settings:
    """Reads the settings of this process and configures its logs by them. Raises SettingsError."""
    settings = load_settings()
    configure_logs(settings)
    return settings


@contextmanager
def opened(role: str = "cli") -> Iterator[tuple[Settings, Database]]:
    """Yields the settings and a database without statement timeouts; connects on its first use, closes it at the end.

    role: names the connection in pg_stat_activity. Raises SettingsError.
    """
    settings = configured()
    with closing(open_patient_database(settings, role)) as database:
        yield settings, database
