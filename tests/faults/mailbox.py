"""Compares what an SMTP server took with what PostgreSQL says: one message each, or a reason for each further one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from typing import Any

from storage.database import Database
from tests.integration.rows import rows
from tests.smtp_servers import HostileSmtp, Taken

# Every delivery, with how many `accepted` events its route has, and its answer.
DELIVERIES = """
SELECT d.delivery_id, d.state, d.unsure,
    (SELECT count(*) FROM delivery_events AS e WHERE e.route_key = d.route_key AND e.event = 'accepted') AS accepted,
    (SELECT answer FROM routes WHERE routes.id = d.route_key) AS answer
FROM mail_deliveries AS d
"""


def copies(server: HostileSmtp) -> dict[str, list[Taken]]:
    """The messages that the server took over, by delivery id."""
    found: dict[str, list[Taken]] = defaultdict(list)
    for taken in server.taken:
        found[str(taken.delivery_id)].append(taken)
    return found


def mail_problems(
    database: Database, server: HostileSmtp, deliveries: Sequence[str], *, commands: int = 1, ends: str = "sent"
) -> list[str]:
    """Whatever is wrong with these deliveries: lost, sent twice for no reason, not the same message, not answered.

    commands: how many commands there were for each. ends: how each may have ended.
    """
    known = {row["delivery_id"]: row for row in rows(database, DELIVERIES)}
    return problems_of(known, server, dict.fromkeys(deliveries, commands), dict.fromkeys(deliveries, ends))


def problems_of(
    known: Mapping[str, Mapping[str, Any]],
    server: HostileSmtp,
    commands: Mapping[str, int],
    ends: Mapping[str, str],
) -> list[str]:
    """The same. known: the rows of DELIVERIES. commands and ends: of each delivery."""
    taken = copies(server)
    wrong = [f"{id_} was sent, and nobody asked for it" for id_ in taken.keys() - commands.keys()]
    for id_, asked in commands.items():
        row, messages = known.get(id_), taken.get(id_, [])
        if row is None or row["state"] not in ends[id_].split():
            wrong.append(f"{id_} was lost: {row}")
            continue
        # A command that comes before the message was sent is answered with the first.
        is_answered = row["answer"] == "accepted" and 1 <= row["accepted"] <= asked
        if row["state"] == "sent" and not (messages and is_answered):
            wrong.append(f"{id_} has {len(messages)} messages and {row['accepted']} accepted events")
        if row["state"] == "given_up" and (messages or row["accepted"]):
            wrong.append(f"{id_} was given up, and sent")
        if len(messages) > 1 + row["unsure"]:
            wrong.append(f"{id_} was sent {len(messages)} times, and was unsure {row['unsure']} times")
        if len({message_id(each) for each in messages}) > 1:
            wrong.append(f"{id_} was sent under several Message-IDs")
    return wrong


def twice_without_a_lost_reply(server: HostileSmtp) -> list[str]:
    """The deliveries that were sent again although the server had answered each message but the last."""
    return [id_ for id_, messages in copies(server).items() if any(each.replied for each in messages[:-1])]


def message_id(taken: Taken) -> str:
    """The Message-ID of a message."""
    return str(message_from_bytes(taken.content)["Message-ID"])
