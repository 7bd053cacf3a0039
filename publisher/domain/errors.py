"""Every error this service raises, sorted by what the caller must do.

PublisherError
├── SettingsError        fix the environment, start again
├── NotFound             give the id of something that exists
├── BadRequest           change the request: it contradicts itself, or the state of what it asks to change
├── Unavailable          wait and try again: a server did not answer, or not in time
│   ├── DatabaseUnavailable
│   │   ├── DatabaseBusy           the server is there: a deadlock, a lock or a connection that did not come free
│   │   └── DatabaseMisconfigured  the same, until someone mends PostgreSQL's rights, limits or state
│   ├── RedisUnavailable
│   ├── MailServerUnavailable
│   │   └── MailServerMisconfigured  the same, until someone mends the login, the certificate or the URL
│   ├── MailboxUnavailable   the mailbox to which bounces go
│   └── EmbeddedUnavailable  the servers that this process starts for itself
├── Refused              a server answered, and said no: the same request would fail again
│   ├── DatabaseRefused
│   └── RedisRefused
├── StreamLost           give the process another standard input or output: this one is closed or full
├── SchemaOutdated       migrate the database
├── EncodingError        this notification makes no command on this channel (R7)
└── RouteError           a bug or a damaged database: read the message, it names the routes (R10)

An expected outcome is a value, never an error: a malformed intent, a conflict, a refused append.
"""


class PublisherError(Exception):
    """The base of all errors of this service. Its text is one line that tells a person what to do."""


class SettingsError(PublisherError):
    """The environment is wrong. The text names every variable at fault and the rule it breaks."""


class NotFound(PublisherError):
    """Nothing exists under this id."""


class BadRequest(PublisherError):
    """The request contradicts itself or the state it asks to change."""


class Unavailable(PublisherError):
    """A server could not be reached, or did not answer in time. Whether it acted is unknown."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL could not be reached or did not answer in time."""


class DatabaseBusy(DatabaseUnavailable):
    """PostgreSQL could not do this statement now: a deadlock, a lock or a connection that did not come free in time."""


class DatabaseMisconfigured(DatabaseUnavailable):
    """PostgreSQL refused for a reason that no value caused: a missing right, a limit, its own state (R19a).

    Nothing was changed. The caller waits as in an outage. The text holds the SQLSTATE.
    """


class RedisUnavailable(Unavailable):
    """Redis could not be reached or did not answer in time. variable: the setting that names the server."""

    def __init__(self, text: str, variable: str = "REDIS_URL") -> None:
        super().__init__(text)
        self.variable = variable


class MailServerUnavailable(Unavailable):
    """The SMTP server could not be reached, did not answer in time, or takes no mail now."""


class MailServerMisconfigured(MailServerUnavailable):
    """The SMTP server refused the login, its certificate is not trusted, or it lacks what the settings ask for.

    The caller waits as in an outage. The text names the variable to correct.
    """


class MailboxUnavailable(Unavailable):
    """The mailbox to which bounces go could not be read or changed. The text holds no address and no password."""


class EmbeddedUnavailable(Unavailable):
    """The embedded servers did not start. The text says why, and what to do."""


class Refused(PublisherError):
    """A server answered and refused. Nothing was changed."""


class DatabaseRefused(Refused):
    """PostgreSQL or its driver refused a value of the statement (R19a). The transaction was rolled back."""


class RedisRefused(Refused):
    """Redis answered a command with an error."""


class StreamLost(PublisherError):
    """Standard input is closed, or standard output is closed or full. Changes made before stay made."""


class SchemaOutdated(PublisherError):
    """A table or column is missing: the schema is older than the code."""


class EncodingError(PublisherError):
    """This notification and route make no valid command (R7, R23)."""


class RouteError(PublisherError):
    """An invariant is broken for the routes that the text names: a bug, or a damaged database (R10)."""
