"""Makes PostgreSQL and Redis from the settings, with the timeouts that fit the lease. Each connects on its first use.

A command that only reads needs these alone, and none of what `bootstrap` imports.
"""

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from publisher.process.outages import Server, outages
from publisher.settings.settings import Settings
from storage.database import POOL_SIZE, Database

if TYPE_CHECKING:
    import redis


def open_database(
    settings: Settings, role: str, statement_timeout: timedelta | None = None, pool_size: int = POOL_SIZE
) -> Database:
    """Returns PostgreSQL with the timeouts that fit the lease.

    role: names this process in pg_stat_activity.
    statement_timeout: another than the one that fits the lease.
    pool_size: how many connections it opens at most.
    """
    return Database(
        settings.database_url.text,
        application_name=f"publisher-{role}",
        connect_timeout=settings.timeouts.connect,
        on_answer=partial(outages.answered, Server.POSTGRESQL),
        statement_timeout=statement_timeout or settings.timeouts.statement,
        pool_size=pool_size,
    )


def open_patient_database(settings: Settings, role: str) -> Database:
    """Returns PostgreSQL without statement timeouts: for migrations, and for an operator, who can press Ctrl-C."""
    return Database(settings.database_url.text, application_name=f"publisher-{role}", statement_timeout=None)


def open_client(settings: Settings, role: str, timeout: timedelta | None = None) -> "redis.Redis":
    """Returns a Redis client. timeout: of each call; None: the one that fits the lease."""
    # Not imported by a command that needs PostgreSQL alone.
    from publisher.streams.connection import open_redis

    return open_redis(
        settings.redis_url.text,
        timeout=timeout or settings.timeouts.redis,
        client_name=f"publisher-{role}",
        tls=settings.redis_tls,
        ca_file=settings.redis_ca_file,
        on_answer=partial(outages.answered, Server.REDIS),
    )
