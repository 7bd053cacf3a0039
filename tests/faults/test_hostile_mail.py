"""Hostile content through the real mail service and a real SMTP server, read back from the mailbox (R22, R33, R36)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import redis

from publisher.channels.email import EMAIL
from publisher.domain.channel import COMMAND_SIZE_LIMIT
from storage.database import Database
from tests.integration.rows import rows
from tests.mail_commands import append_commands
from tests.mail_run import answers, mail_server
from tests.processes import Processes
from tests.smtp_servers import EIGHT_BIT, PIPELINING, SIZE, HostileSmtp, Taken, hostile_smtp
from tests.waiting import wait_until

HOSTILE = [
    "one\r\nBcc: evil@example.net",
    "one\nBcc: evil@example.net\n\nanother body",
    "one\rX-Injected: evil",
    "\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\n",
    "one\u2028X-Injected: evil\u2029two\u0085three\x0bfour\x0cfive",
    "=?utf-8?q?one=0D=0AX-Injected:_evil?=",
    "--=_boundary--\n<script>alert('evil')</script>{{ 7 * 7 }}",
    "שלום \u202egnp.exe\u202c مرحبا",
    "ends with a dot\n.\n..\n. and more\n",
]
FIELDS = {"from", "to", "subject", "date", "message-id", "x-delivery-id", "auto-submitted", "mime-version"}
UNICODE, ON_THE_WIRE = "δοκιμή@παράδειγμα.example", "δοκιμή@xn--hxajbheg2az3al.example"


@pytest.fixture
def smtp(environ: dict[str, str], tmp_path: Path) -> Iterator[HostileSmtp]:
    """The SMTP server of this test's mail service, whose templates put variables everywhere, or break out."""
    texts = {
        "all": {"subject.txt": "{{ a }}", "text.txt": "{{ a }}", "html.html": "<title>{{ a }}</title><p>{{ a }}</p>"},
        "text": {"subject.txt": "Hello", "text.txt": "{{ a }}"},
        "class": {"subject.txt": "{{ ''.__class__.__mro__ }}", "text.txt": "{{ a }}"},
        "loop": {"subject.txt": "Hello", "text.txt": "{% for x in range(9999) %}{% for y in range(9999) %}{% endfor %}"
                                                     "{% endfor %}"},
        "self": {"subject.txt": "Hello", "text.txt": "{% include 'test.self/en/text.txt' %}"},
    }  # fmt: skip
    for name, files in texts.items():
        folder = tmp_path / "templates" / f"test.{name}" / "en"
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text)
    with mail_server(environ) as server:
        environ["PUBLISHER_MAIL_TEMPLATES"] = str(tmp_path / "templates")
        yield server


def test_no_variable_becomes_a_header_a_command_or_a_tag(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Line breaks, dots, encoded words and text from right to left are text, wherever they stand (R22)."""
    told = {}
    for number, value in enumerate(HOSTILE):
        [id_] = append_commands(
            database, redis_client, first=number, notification_type="test.all", payload_json={"a": value}
        )
        told[id_] = value
    mailer = processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": len(HOSTILE)}, describe=lambda: mailer.output)

    assert {taken.delivery_id for taken in smtp.taken} == set(told)
    assert {taken.recipient for taken in smtp.taken} == {f"u{n}@example.com" for n in range(len(HOSTILE))}
    assert {word for line in smtp.commands if (word := line.split(":")[0].split(" ")[0])} <= {
        "EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT"
    }  # fmt: skip
    for taken in smtp.taken:
        message, value = read(taken), told[str(taken.delivery_id)]
        assert {name.lower() for name in message.keys()} == FIELDS | {"content-type"}  # noqa: SIM118 - of a message
        assert message["to"] == taken.recipient
        assert comparable(message["subject"]) == comparable(value)
        assert comparable(body(message, "plain")) == comparable(value)
        html = body(message, "html")
        assert "<script" not in html
        assert html.count("<p") == html.count("<title") == 1
    assert_no_address(mailer.output)


def test_a_command_as_long_as_one_may_be_is_sent_whole(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Every character of it arrives (R23, R33)."""
    append_commands(database, redis_client, notification_type="test.text", payload_json={"a": "x"})
    [(entry_id, fields)] = redis_client.xrange(EMAIL.stream)
    room = COMMAND_SIZE_LIMIT - sum(len(name) + len(value) for name, value in fields.items())
    long = ("ß. " * (room // 4)).strip()
    # Longer than an intent may be: other producers of commands than ours keep to the command's limit alone.
    payload = fields[b"payload_json"].replace(b'"x"', f'"{long}"'.encode())
    redis_client.xdel(EMAIL.stream, entry_id)
    redis_client.xadd(EMAIL.stream, fields | {b"payload_json": payload})
    mailer = processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 1}, describe=lambda: mailer.output[-2000:])

    [taken] = smtp.taken
    assert body(read(taken), "plain").strip() == long
    assert max(len(line) for line in taken.content.split(b"\r\n")) <= 998


def test_templates_that_never_end_or_break_out_fail_alone(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Each is answered as a fault of its content, which names the file, and all others are sent (R33)."""
    for number, name in enumerate(["class", "loop", "self", "text"]):
        append_commands(
            database, redis_client, first=number, notification_type=f"test.{name}", payload_json={"a": "secret-2c81"}
        )
    mailer = processes.start("mailer")
    wait_until(lambda: answers(database) == {"failed": 3, "accepted": 1}, describe=lambda: mailer.output)

    said = rows(database, "SELECT fault, permanence, diagnostic FROM delivery_events WHERE event = 'failed'")
    assert {(row["fault"], row["permanence"]) for row in said} == {("content", "permanent")}
    named = sorted(re.findall(r"test\.\w+", row["diagnostic"])[0] for row in said)
    assert named == ["test.class", "test.loop", "test.self"]
    assert not [row for row in said if "secret-2c81" in row["diagnostic"]]
    assert_no_address(mailer.output)
    assert "secret-2c81" not in mailer.output


@pytest.mark.parametrize("takes", [True, False], ids=["SMTPUTF8", "no SMTPUTF8"])
def test_an_address_of_another_script_is_used_as_it_is_or_not_at_all(
    takes: bool, database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """A server that cannot take it is not asked to, and the next message is sent (R33)."""
    address = [{"user_id": "1", "email": UNICODE}]
    append_commands(
        database, redis_client, recipients_json=address, notification_type="test.text", payload_json={"a": "x"}
    )
    append_commands(database, redis_client, first=2, notification_type="test.text", payload_json={"a": "x"})
    with hostile_smtp(**({} if takes else {"offers": (PIPELINING, EIGHT_BIT, SIZE)})) as server:
        mailer = processes.start("mailer", PUBLISHER_SMTP_URL=server.url)
        wait_until(lambda: answers(database).total() == answers(database)["accepted"] + (not takes))
        wait_until(lambda: answers(database)[None] == 0)

        taken = {each.recipient: each for each in server.taken}
    assert set(taken) == ({ON_THE_WIRE, "u2@example.com"} if takes else {"u2@example.com"})
    if takes:
        assert "SMTPUTF8" in taken[ON_THE_WIRE].options
        assert read(taken[ON_THE_WIRE])["to"] == ON_THE_WIRE
    else:
        [event] = rows(database, "SELECT enhanced_code, diagnostic FROM delivery_events WHERE event <> 'accepted'")
        assert event["enhanced_code"] == "5.6.7"
        assert "δοκιμή" not in event["diagnostic"]
    assert_no_address(mailer.output)


def read(taken: Taken) -> EmailMessage:
    """The message as a mailbox reads it."""
    message = message_from_bytes(taken.content, policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def body(message: EmailMessage, kind: str) -> str:
    """The text of one of its bodies."""
    part = message.get_body([kind])
    assert part is not None
    return str(part.get_content())


def comparable(text: str) -> str:
    """A text without what is only space, and without what a header cannot hold."""
    return "".join(re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", "", text))


def assert_no_address(log: str) -> None:
    """No recipient stands in a log, and nobody whom content names."""
    assert not re.findall(r"[\w.δοκιμή]+@(?:example|παράδειγμα)\.\w+", log)
    assert "evil" not in log
