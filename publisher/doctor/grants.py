"""Every right that this installation needs of its two servers, as values: for `doctor --print-grants` and the guide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from publisher.channels.email import EMAIL
from publisher.settings.settings import Settings
from publisher.streams.rights import Streams, acl_rules, user_of
from storage.rights import Grantee, grant_statements, grantee, migrating_statement

# Stands where the URL names nobody, or the superuser that PostgreSQL is installed with: that one needs no rights.
_NAME = "publisher"
_SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True)
class Grants:
    """The rights to give to the service, and no others.

    redis_user: the name of the Redis user.
    redis_rules: the rules of `ACL SETUSER` after that name; none sets a password.
    to: the PostgreSQL role, its database and schema.
    postgresql_statements: the GRANTs of rights to rows.
    postgresql_migrating: the GRANT that `publisher migrate` needs besides, as long as there is something to apply.
    """

    redis_user: str
    redis_rules: Sequence[str]
    to: Grantee
    postgresql_statements: Sequence[str]
    postgresql_migrating: str


def streams_of(settings: Settings) -> Streams:
    """Returns the streams that the settings name."""
    email = settings.channels.get(EMAIL.name)
    return Streams(
        intents=settings.intents_stream,
        group=settings.intents_group,
        events=settings.events_stream,
        events_group=settings.events_group,
        commands={name: channel.stream for name, channel in settings.channels.items()},
        mail=email.stream if email is not None and settings.mail.is_used else None,
        mail_group=settings.mail.group,
    )


def needed_grants(settings: Settings, *, role: str | None = None, schema: str | None = None) -> Grants:
    """Returns the rights for the streams, channels and database that the settings name. Asks no server.

    role: the name of both the Redis user and the PostgreSQL role; None: those that the URLs log in as,
        but `publisher` for `default` and `postgres`.
    schema: where the tables are; None: the first schema in the search path of DATABASE_URL, or `public`.
    """
    found = grantee(settings.database_url.text)
    own = "" if found.role == _SUPERUSER else found.role
    to = replace(found, role=role or own or _NAME, schema=schema or found.schema)
    to = replace(to, database=to.database or to.role)
    rules = acl_rules(streams_of(settings))
    return Grants(
        redis_user=role or user_of(settings.redis_url.text) or _NAME,
        redis_rules=["on", *rules],
        to=to,
        postgresql_statements=grant_statements(to),
        postgresql_migrating=migrating_statement(to),
    )
