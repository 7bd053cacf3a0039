"""Lists every gauge of the service: its name, what it tells, and its labels (R25).

Names follow Prometheus' conventions: base units, and a unit at the end of the name. A gauge of something that a server
could not tell is missing, and never 0.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge. help: one sentence. labels: their names, in order."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


READ = Gauge("publisher_server_read", "1 if the last snapshot could read this server, else 0.", ("server",))
TAKEN = Gauge("publisher_snapshot_timestamp_seconds", "When the last snapshot was taken.")
FINDING = Gauge(
    "publisher_finding",
    "1 for each finding of the verdict that `publisher status` shows, by its cause.",
    ("level", "cause", "channel"),
)
MIGRATIONS = Gauge("publisher_schema_pending_migrations", "Migrations of this release that are not applied yet.")
SCHEMA = Gauge("publisher_schema_info", "1, with the newest applied migration as a label.", ("version",))

OPEN = Gauge("publisher_routes_open", "Routes that are not final, by status.", ("channel", "status"))
DUE = Gauge(
    "publisher_routes_due",
    "Routes that are due and that no worker has, those included that wait for a closed channel, a hold or a limit.",
    ("channel",),
)
OLDEST_DUE = Gauge("publisher_routes_due_oldest_seconds", "For how long the first of them has been due.", ("channel",))
IN_FLIGHT = Gauge("publisher_routes_in_flight", "Routes under the lease of a worker.", ("channel",))
STATE = Gauge(
    "publisher_channel_state", "1 for the state of the channel: open, paused or parked.", ("channel", "state")
)
HOLDS = Gauge("publisher_holds", "Holds that are in force.")
LIMIT = Gauge("publisher_rate_limit_per_second", "Commands a second that the rate limit lets through.", ("channel",))
LIMIT_USED = Gauge("publisher_rate_limit_used_ratio", "The share of the rate limit that is used.", ("channel",))
AUDITED = Gauge(
    "publisher_audit_last_completed_timestamp_seconds", "When the last loss audit of the channel ended.", ("channel",)
)
AUDIT_OVERDUE = Gauge("publisher_audit_overdue", "1 if the loss audit of the channel is overdue, else 0.", ("channel",))
UNANSWERED = Gauge("publisher_routes_unanswered", "Routes that nobody answered in time, up to 10,000.", ("channel",))
DEAD_LETTERS = Gauge(
    "publisher_dead_letters_waiting", "Dead letters that wait for an operator, up to 10,000 of a channel."
)
MALFORMED = Gauge("publisher_malformed_waiting", "Malformed intents that wait for an operator, up to 10,000.")
LOSSES = Gauge("publisher_intents_losses_waiting", "Losses of intents that no operator has acknowledged.")
HELD_MAIL = Gauge("publisher_mail_held", "Messages that an operator is to decide about, up to 10,000.")

INTENTS_UNREAD = Gauge("publisher_intents_unread", "Intents that no intake has read.")
INTENTS_PENDING = Gauge("publisher_intents_pending", "Intents that were read and are not committed.")
INTENTS_OLDEST = Gauge("publisher_intents_oldest_seconds", "The age of the first intent that is not committed.")
EVENTS_UNREAD = Gauge("publisher_delivery_events_unread", "Delivery events that no intake has read.")
EVENTS_PENDING = Gauge("publisher_delivery_events_pending", "Delivery events that were read and are not committed.")
EVENTS_OLDEST = Gauge("publisher_delivery_events_oldest_seconds", "The age of the first of them.")
COMMANDS_UNREAD = Gauge(
    "publisher_commands_unread", "Commands that no consumer of the group has read.", ("channel", "group")
)
COMMANDS_PENDING = Gauge(
    "publisher_commands_pending", "Commands that were read and not acknowledged.", ("channel", "group")
)
COMMANDS_OLDEST = Gauge(
    "publisher_commands_unread_oldest_seconds", "The age of the first unread command.", ("channel", "group")
)
LAST_READ = Gauge(
    "publisher_commands_last_read_seconds",
    "The time since a consumer asked for commands; if none ever did, the age of the first unread one.",
    ("channel", "group"),
)
CEILING_USED = Gauge(
    "publisher_stream_ceiling_used_ratio", "The share of the ceiling that unacknowledged commands take.", ("channel",)
)
GIVEN_UP = Gauge("publisher_given_up_entries_waiting", "Entries that wait on streams which no settings name any more.")
PROCESSES = Gauge("publisher_processes", "Processes that gave a sign of life within 15 seconds.", ("role",))
LAST_SEEN = Gauge(
    "publisher_process_last_seen_timestamp_seconds", "When the process gave its last sign of life.",
    ("role", "host", "pid"),
)  # fmt: skip
QUEUED = Gauge("publisher_messages_queued", "Messages that wait for a worker in Dramatiq's queue.", ("channel",))

GAUGES: tuple[Gauge, ...] = (
    *(READ, TAKEN, FINDING, MIGRATIONS, SCHEMA),
    *(OPEN, DUE, OLDEST_DUE, IN_FLIGHT, STATE, HOLDS, LIMIT, LIMIT_USED, AUDITED, AUDIT_OVERDUE, UNANSWERED),
    *(DEAD_LETTERS, MALFORMED, LOSSES, HELD_MAIL),
    *(INTENTS_UNREAD, INTENTS_PENDING, INTENTS_OLDEST, EVENTS_UNREAD, EVENTS_PENDING, EVENTS_OLDEST),
    *(COMMANDS_UNREAD, COMMANDS_PENDING, COMMANDS_OLDEST, LAST_READ, CEILING_USED),
    GIVEN_UP,
    *(PROCESSES, LAST_SEEN, QUEUED),
)
