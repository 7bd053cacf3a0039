"""The mailbox of a chaos run: an SMTP server that fails at random, and what must have come there in the end."""

import random
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.faults.following import SomeServers
from tests.faults.invariants import RENAMED, STREAMS, commands
from tests.faults.mailbox import DELIVERIES, copies, problems_of
from tests.faults.producer import TYPES
from tests.mail_run import GROUP
from tests.smtp_servers import Fault, Step, hostile_smtp

# Whoever renames a stream lets a reader of each name run: what stands on the other one is to be sent, too.
STREAM_OF = {"mailer-a": STREAMS["email"], "mailer-b": STREAMS["email"], "mailer-c": RENAMED}
# A process whose new connection fails waits, for longer each time: seldom enough that messages are under way mostly.
_STEPS = {
    Step.BANNER: 1,
    Step.EHLO: 1,
    Step.MAIL: 5,
    Step.RCPT: 5,
    Step.DATA: 5,
    Step.CONTENT: 5,
    Step.END: 10,
    Step.AFTER: 5,
}
# Faults that wait for their step. More would all meet the first connection after a pause.
_TO_COME = 3
# No reply belongs there: a server that refuses a message and takes it nonetheless is none that can be explained.
_UNANSWERED = (Step.CONTENT, Step.AFTER)
_PUBLISHED = """
SELECT notification_id || '/' || route_id FROM routes JOIN notifications AS n ON n.id = notification_key
WHERE channel = 'email' AND status = 'published'
"""
# One that was begun, of which no command is kept and no entry pending, has lost its command: nobody takes it up.
_OPEN = """
SELECT count(*) FROM mail_deliveries
WHERE state = 'waiting' OR state = 'begun' AND (command IS NOT NULL OR lease_expires_at > now())
"""
# Of an event id `<delivery>#<entry>#<try>#<event>`, whatever the try: a command is answered once.
_ANSWERED_TWICE = """
SELECT split_part(event_id, '#', 1), split_part(event_id, '#', 2), count(*) FROM delivery_events
WHERE source = 'mailer' AND event = 'accepted' GROUP BY 1, 2 HAVING count(*) > 1
"""


class ChaosMail:
    """An SMTP server that makes trouble in a thread of its own from `begin` to `calm`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._running = ExitStack()
        self._server = self._running.enter_context(hostile_smtp())
        self._templates = folder / "templates"
        for type_ in TYPES:
            letter = self._templates / type_ / "en"
            letter.mkdir(parents=True)
            (letter / "subject.txt").write_text("Turn {{ turn }}\n")
            (letter / "text.txt").write_text("It is turn {{ turn }}.\n")
        self._dice = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smtp trouble", daemon=True)
        self.faults: Counter[str] = Counter()

    @property
    def environ(self) -> dict[str, str]:
        """What mail processes are told."""
        return {
            "PUBLISHER_SMTP_URL": self._server.url,
            "PUBLISHER_MAIL_FROM": "Example <hello@example.com>",
            "PUBLISHER_MAIL_TEMPLATES": str(self._templates),
            "PUBLISHER_MAIL_BACKOFF_MIN": "0.2",
            "PUBLISHER_MAIL_BACKOFF_MAX": "1",
            "PUBLISHER_MAIL_CONNECTIONS": "4",
            "PUBLISHER_SMTP_TIMEOUT": "1",
        }

    def begin(self) -> None:
        """Begins to make trouble."""
        self._thread.start()

    def calm(self) -> None:
        """Ends all trouble."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._server.calm()

    def close(self) -> None:
        """Stops the server."""
        self.calm()
        self._running.close()

    def counts(self) -> Counter[str]:
        """What there was to count. To be asked after `problems`."""
        by_delivery = copies(self._server)
        lost = sum(not taken.replied for taken in self._server.taken)
        return Counter(
            {
                "messages at the mailbox": len(by_delivery),
                "further copies of them": len(self._server.taken) - len(by_delivery),
                "messages that the SMTP server took without its reply being sent": lost,
                "faults of the SMTP server": self.faults.total(),
            }
        )

    @staticmethod
    def is_quiet(servers: SomeServers) -> bool:
        """True if the mail service has read and acknowledged every command, and has nothing under way."""
        if servers.postgresql.rows(_OPEN) != [(0,)]:
            return False
        for stream in {*STREAM_OF.values()}:
            if not servers.valkey.client.exists(stream):
                continue
            last = servers.valkey.client.xinfo_stream(stream)["last-generated-id"]
            groups = [g for g in servers.valkey.client.xinfo_groups(stream) if g["name"].decode() == GROUP]
            if any(g["pending"] or g["last-delivered-id"] != last for g in groups):
                return False
        return True

    def problems(self, servers: SomeServers) -> list[str]:
        """Every published email without a message, or with more than its lost replies explain.

        None is excused because Valkey lost its command: the loss audit looks for all that have no answer (R12a).
        """
        standing = commands(servers.valkey.client)
        published = {row[0] for row in servers.postgresql.rows(_PUBLISHED)}
        names = ("state", "unsure", "accepted", "answer")
        known = {id_: dict(zip(names, row, strict=True)) for id_, *row in servers.postgresql.rows(DELIVERIES)}
        for id_ in known.keys() - (published & standing.keys()):
            # Its command was lost by Valkey after it was sent. It may have been cancelled then, or have expired.
            known[id_]["answer"] = "accepted"
        # Its command was lost while a process had it in hand that died, and it was cancelled or has expired since.
        cut_off = {id_ for id_ in known.keys() - published - standing.keys() if known[id_]["state"] == "begun"}
        asked = (published | known.keys()) - cut_off
        # Each loss of a command brings another, which is answered as well.
        asked_for = {id_: int(known.get(id_, {}).get("accepted", 1)) for id_ in asked}
        wrong = problems_of(
            known,
            self._server,
            asked_for | dict.fromkeys(cut_off, 1),
            dict.fromkeys(asked, "sent") | dict.fromkeys(cut_off, "begun"),
        )
        twice = servers.postgresql.rows(_ANSWERED_TWICE)
        return wrong + [f"{id_} was answered {count} times to the command {entry}" for id_, entry, count in twice]

    def _run(self) -> None:
        while not self._stopping.wait(self._dice.uniform(0.02, 0.4)):
            if self._server.to_come >= _TO_COME:
                continue
            if self._dice.random() < 0.02:
                self.faults["refused"] += 1
                self._server.refuse()
                self._stopping.wait(self._dice.uniform(0.2, 1.5))
                self._server.listen()
                continue
            [step] = self._dice.choices([*_STEPS], [*_STEPS.values()])
            how = self._dice.choice(
                ("close", "stall", "slow") if step in _UNANSWERED else ("close", "stall", "slow", "451")
            )
            self.faults[how] += 1
            self._server.once(
                Fault(
                    step,
                    reply="451 4.3.0 Try again" if how == "451" else None,
                    close=how == "close",
                    stall=how == "stall",
                    slow=self._dice.uniform(0.05, 0.8) if how == "slow" else 0.0,
                    keeps=self._dice.random() < 0.5,
                )
            )
