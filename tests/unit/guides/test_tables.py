"""The tables of the guides that people wrote: what they name is what the code has."""

import json
import re
from dataclasses import fields
from datetime import timedelta
from enum import StrEnum

import pytest

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel
from publisher.domain.delivery_event import RANKS, EventKind, Fault, Permanence
from publisher.domain.delivery_event_fields import DeliveryEventFields
from publisher.domain.intent_fields import UserFields
from publisher.domain.notification import TRANSITIONS
from publisher.domain.rejection import RejectionCode
from publisher.local.procfile import procfile
from publisher.mail.reports.postmark import read_postmark
from publisher.mail.reports.ses import read_ses
from publisher.settings.channels import ChannelSettings
from publisher.settings.mail import MailSettings
from publisher.settings.settings import Settings
from publisher.settings.stream_servers import stream_server_variables
from publisher.settings.web import WebSettings
from tests.factories import notification, route
from tests.guide_blocks import GUIDES, ROOT
from tests.mail_reports import postmark, ses

EVENTS = "| event | it means | SMTP | report by mail (RFC 3464, RFC 5965) | Amazon SES | Postmark | django-anymail |"

Rows = list[tuple[str, ...]]


def table(guide: str, heading: str) -> Rows:
    """The rows of the table with this head; a code span of a cell is its text."""
    text = (GUIDES / f"{guide}.md").read_text()
    (_, head, rest) = text.partition(f"{heading}\n|---")
    assert head, f"{guide}.md has no table {heading}"
    rows = rest.split("\n\n")[0].split("\n")[1:]
    return [tuple(cell.strip().replace("`", "") for cell in row.strip("|").split("|")) for row in rows]


def as_variable(value: object) -> str:
    """A default as it would stand in the environment."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}" if value.total_seconds() % 1 else str(int(value.total_seconds()))
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return value.value if isinstance(value, StrEnum) else str(value)


def test_the_settings_are_those_that_are_read() -> None:
    """Each variable and its default stands in the table, as Settings has it."""
    named = {row[0]: row[1] for row in table("deploying", "| variable | default | meaning |")}

    read = {
        str(field.alias): "" if field.is_required() else as_variable(field.default)
        for field in Settings.model_fields.values()
        if not field.exclude
    }
    assert named == read


def test_the_settings_of_a_channel_are_those_that_are_read() -> None:
    """Each variable of a channel stands there with its default for email and for push (R24)."""
    rows = table("deploying", "| variable | email | push | meaning |")

    assert {row[0]: row[1:3] for row in rows} == {
        f"PUBLISHER_<CHANNEL>_{field.upper()}": tuple(as_variable(getattr(c, field)) for c in (EMAIL, PUSH))
        for field in ChannelSettings.model_fields
    }


def test_the_settings_of_the_mail_service_are_those_that_are_read() -> None:
    """Each variable and its default stands in a table of its own (R33)."""
    named = {row[0]: row[1] for row in table("deploying", "| variable of the mail service | default | meaning |")}

    assert named == {str(field.alias): as_variable(field.default) for field in MailSettings.model_fields.values()}


def test_the_settings_of_the_page_are_those_that_are_read() -> None:
    """Each variable and its default stands in a table of its own."""
    named = {row[0]: row[1] for row in table("deploying", "| variable of the page | default | meaning |")}

    assert named == {str(field.alias): as_variable(field.default) for field in WebSettings.model_fields.values()}


def test_the_variables_of_a_streams_redis_are_those_that_are_read() -> None:
    """Those of intents, of delivery events and of the built-in channels (R37)."""
    rows = table("deploying", "| variable of a stream's Redis | what stands there |")

    assert [row[0] for row in rows] == stream_server_variables([EMAIL, PUSH])


def test_the_fields_of_an_intent_are_those_that_are_accepted() -> None:
    """Names, and whether they are required, are those of the model that intake validates with (R19)."""
    rows = table("producers", "| field | required | content |")

    assert {row[0]: row[1] for row in rows} == {
        name: "yes" if field.is_required() else "no" for name, field in UserFields.model_fields.items()
    }


def test_the_codes_of_malformed_intents_are_all_explained() -> None:
    """Whatever stands as failure_code has its reason in the table (R19)."""
    rows = table("producers", "| code | reason |") + table("consumers", "| code of an event | reason |")
    named = [code for row in rows for code in row[0].split(", ")]

    assert sorted(named) == sorted(RejectionCode)


def test_the_fields_of_a_delivery_event_are_those_that_are_accepted() -> None:
    """Names, and whether they are required, are those of the model; each word of an enumeration is there (R32)."""
    rows = table("consumers", "| field of an event | required | content |")

    assert {row[0]: row[1] for row in rows} == {
        name: "yes" if field.is_required() else "no" for name, field in DeliveryEventFields.model_fields.items()
    }
    content = {row[0]: row[2] for row in rows}
    for name, words in (("event", EventKind), ("permanence", Permanence), ("fault", Fault)):
        assert all(word in content[name] for word in words)


def test_the_ranks_of_answers_are_those_of_the_code() -> None:
    """Every event stands there, in the order of the ranks (R32)."""
    rows = table("consumers", "| event of rank | rank | meaning |")

    assert [(row[0], row[1]) for row in rows] == [
        *((kind.value, str(rank)) for kind, rank in RANKS.items()),
        ("complained", "none"),
    ]


@pytest.mark.parametrize(("channel", "of"), [(EMAIL, "Email"), (PUSH, "Push")], ids=["email", "push"])
def test_the_fields_of_a_command_are_those_that_are_encoded(channel: Channel, of: str) -> None:
    """The table of each channel names the fields of its commands, in their order (R22)."""
    text = (GUIDES / "consumers.md").read_text().partition(f"\n{of}, on ")[2].split("\n\n")[1]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)

    command = channel.command(notification(request_id="r", trace_id="t"), route(channel=channel.name))
    assert named == [name for name, _ in command.fields]


def test_the_fields_of_a_channel_are_those_of_its_class() -> None:
    """All that a third party may say of its channel, but the old name of the ceiling (R24). Its Redis is a setting."""
    rows = table("channels", "| field | default | meaning |")

    assert {row[0] for row in rows} == {field.name for field in fields(Channel)} - {"stream_max_len", "server"}


def test_the_transitions_are_those_of_the_domain() -> None:
    """Each pair of statuses of the table is one that the code allows, and none is left out (R3)."""
    rows = table("rules", "| from | event | to | also |")

    named = {(status, row[2].strip()) for row in rows for status in row[0].split(", ")}
    assert named == {(status.value, after.value) for (status, _), after in TRANSITIONS.items()}


def test_readme_starts_what_the_procfile_starts() -> None:
    """Each process of the table has the command of the Procfile, with every flag."""
    readme = (ROOT / "README.md").read_text()

    commands = {name: command for name, command in procfile().items() if name != "release"}
    assert [name for name, command in commands.items() if f"\n| {name} | `{command}` | " not in readme] == []


def test_every_event_is_explained() -> None:
    """In the order of the code, with the words of every source beside it."""
    assert [row[0] for row in table("mail", EVENTS)] == list(EventKind)


@pytest.mark.parametrize("row", table("mail", EVENTS), ids=lambda row: row[0])
def test_the_words_of_providers_become_that_event(row: tuple[str, ...]) -> None:
    """What the table says of a provider's word is what is made of it."""
    event, ses_words, postmark_words = row[0], row[4], row[5]
    kinds, _, lists = ses_words.partition(": ")
    notifications = [ses(kind, bounceSubType=name, complaintSubType=name) for kind in kinds.split(" or ") if kind
                     for name in (lists.split(", ") if lists else [""])]  # fmt: skip
    kind, _, types = postmark_words.partition(": ")
    records = [postmark(kind, Type=name) for name in types.split(", ")] if kind else []

    readings = [*(read_ses(json.dumps(n)) for n in notifications), *(read_postmark(json.dumps(r)) for r in records)]

    assert readings or event not in {EventKind.BOUNCED, EventKind.DELIVERED}
    assert all(isinstance(reading, list) and reading[0].event == event for reading in readings), readings


def test_every_fault_is_explained() -> None:
    """With what to do about it."""
    assert [row[0] for row in table("mail", "| fault | enhanced status code | what to do |")] == list(Fault)
