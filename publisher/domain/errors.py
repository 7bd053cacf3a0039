"""Every error this service raises, sorted by what the caller must do.

PublisherError
├── SettingsError        fix the environment, start again
├── NotFound             name something that exists
├── BadRequest           ask for something that makes sense
├── Unavailable          wait and try again: a server did not answer, or not in time
│   ├── DatabaseUnavailable
│   │   └── DatabaseMisconfigured  the same, until someone mends PostgreSQL's rights, limits or state
│   ├── RedisUnavailable
│   └── EmbeddedUnavailable  the servers of `publisher demo` and `up`
├── Refused              a server answered, and said no: the same request would fail again
│   ├── DatabaseRefused
│   └── RedisRefused
├── StreamLost           standard input or output is closed or full: give the command another
├── SchemaOutdated       run `publisher migrate`
├── EncodingError        this notification makes no command on this channel (R7)
└── RouteError           a bug or a damaged database: read the message, it names the routes (R10)

An expected outcome is a value, never an error: a malformed intent, a conflict, a refused append.
"""


class PublisherError(Exception):
    """The base of all errors of this service. Its text is one line that a person can act on."""


class SettingsError(PublisherError):
    """The environment is wrong. The text names every variable at fault and the rule it breaks."""


class NotFound(PublisherError):
    """Nothing has this id."""


class BadRequest(PublisherError):
    """The request contradicts itself or the state it asks to change."""


class Unavailable(PublisherError):
    """A server could not be reached, or did not answer in time. Whether it acted is unknown."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL could not be reached or did not answer in time."""


class DatabaseMisconfigured(DatabaseUnavailable):
    """PostgreSQL refused, and no value is at fault: a missing right, a limit, its own state (R19a).

    Nothing was changed. It is waited out as an outage is. The text holds the SQLSTATE.
    """


class RedisUnavailable(Unavailable):
    """Redis could not be reached or did not answer in time."""


class EmbeddedUnavailable(Unavailable):
    """The embedded servers could not be started. The text says why, and what to do."""


class Refused(PublisherError):
    """A server answered and refused. Nothing was changed."""


class DatabaseRefused(Refused):
    """PostgreSQL, or the driver, refused a value of the statement (R19a). The unit was rolled back."""


class RedisRefused(Refused):
    """Redis answered a command with an error."""


class StreamLost(PublisherError):
    """Standard input is closed, or standard output is closed or full. What the command has done until then is done."""


class SchemaOutdated(PublisherError):
    """A table or column is missing: the schema is older than the code."""


class EncodingError(PublisherError):
    """This notification and route make no valid command (R7, R23)."""


class RouteError(PublisherError):
    """Something that cannot happen did, for the routes named in the text (R10)."""
