"""Whether somebody sends the mail: this deployment's own mail service, or another one (R33)."""

from publisher.doctor.verdict import Diagnosis, ok, unknown, warning
from publisher.domain.errors import PublisherError
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.wording import names, span
from publisher.streams.groups import SILENT, Group


def mail(server: str | None, group: str, readers: CommandReaders, mailers: int) -> Diagnosis:
    """Commands for email that nobody reads, although an SMTP server is set.

    server: the SMTP server as it may be shown; None: none is set, and another mail service is to read the commands.
    group: the consumer group of our own mail service.
    readers: who reads the commands of the email channel.
    mailers: how many of our mailer processes are alive.
    """
    if server is None:
        return ok(f"PUBLISHER_SMTP_URL is not set: another mail service is to read {readers.stream}")
    if mailers:
        alive = "1 mailer is alive" if mailers == 1 else f"{mailers:,} mailers are alive"
        return ok(f"this deployment sends to {server}: {alive}, in group {group}")
    if reading := [found.name for found in readers.groups if _reads(found)]:
        return ok(f"no mailer is alive; {readers.stream} is read by {names(reading)}")
    if isinstance(readers.found, PublisherError):
        return unknown(
            f"no mailer is alive, and who else reads {readers.stream} could not be read: {readers.found}",
            "see that a mailer runs: publisher status",
        )
    return warning(
        f"PUBLISHER_SMTP_URL is set, no mailer is alive, and no group has read {readers.stream} for {span(SILENT)}",
        "start the process 'publisher mailer run'; if another mail service is to send, unset PUBLISHER_SMTP_URL",
    )


def _reads(group: Group) -> bool:
    """Whether a consumer has asked for commands lately. One that could not be looked at may have."""
    if group.consumers is None:
        return group.consumer_count > 0
    return group.last_read is not None and group.last_read <= SILENT
