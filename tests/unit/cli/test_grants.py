"""The lines of `doctor --print-grants`: whole words, narrow enough for a terminal, and no password."""

import shlex

import pytest

from publisher.channels.registry import discover_channels
from publisher.cli.grants import postgresql_lines, print_grants, redis_lines
from publisher.doctor.grants import Grants, needed_grants, streams_of
from publisher.settings.settings import Settings


def grants_of(role: str | None = None, schema: str | None = None, **environ: str) -> Grants:
    """The rights of an installation with these variables."""
    urls = {"DATABASE_URL": "postgres://ann:hush@a/app", "REDIS_URL": "redis://bob:hush@a"}
    return needed_grants(Settings.from_environ(urls | environ, discover_channels()), role=role, schema=schema)


def test_the_group_of_the_mailers_is_among_the_rights_where_they_send() -> None:
    """Without an SMTP server another mail service reads the email stream (R33)."""
    urls = {"DATABASE_URL": "postgres://a/app", "REDIS_URL": "redis://a", "PUBLISHER_MAIL_GROUP": "ours"}
    mail = {"PUBLISHER_SMTP_URL": "smtp://a", "PUBLISHER_MAIL_FROM": "a@b.example", "PUBLISHER_MAIL_TEMPLATES": "."}
    there, elsewhere = (
        streams_of(Settings.from_environ(environ, discover_channels())) for environ in (urls | mail, urls)
    )

    assert (there.mail, there.mail_group, elsewhere.mail) == (["mail:delivery_commands"], "ours", ())


def test_the_lines_are_the_rules_and_statements_word_by_word() -> None:
    """A shell joins the lines of the one command; SQL does not mind where its lines end."""
    grants = grants_of(PUBLISHER_EMAIL_STREAM="jobs[1] of 'us'")

    command = "\n".join(redis_lines(grants.redis[0])).replace("\\\n", "")
    assert shlex.split(command) == ["redis-cli", "ACL", "SETUSER", "bob", *grants.redis[0].rules]
    assert "~jobs\\[1\\] of 'us'" in grants.redis[0].rules
    assert " ".join(" ".join(postgresql_lines(grants)).split()) == " ".join(grants.postgresql_statements)


def test_no_line_is_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that a terminal breaks would be copied with the break; comments hold statements, too."""
    print_grants(grants_of(role="a_service_with_a_name", schema="a_schema_with_a_name_that_is_long"))

    assert max(map(len, capsys.readouterr().out.splitlines())) < 80


@pytest.mark.parametrize(
    ("url", "role", "said"),
    [
        ("postgres://postgres:hush@a/app", None, "publisher"),
        ("postgres://a/app", None, "publisher"),
        ("postgres://postgres:hush@a/app", "svc", "svc"),
        ("postgres://postgres_2:hush@a/app", None, "postgres_2"),
    ],
)
def test_the_superuser_is_given_nothing(url: str, role: str | None, said: str) -> None:
    """Who has every right needs none: the lines are for a role of the service's own, named as its Redis user is."""
    grants = grants_of(role, DATABASE_URL=url, REDIS_URL="redis://a")

    assert (grants.to.role, grants.to.database, grants.redis[0].user) == (said, "app", role or "publisher")


def test_a_name_with_spaces_is_not_broken() -> None:
    """Quotation marks hold it together."""
    lines = postgresql_lines(grants_of(role="   ".join(["the role"] * 9)))

    assert all(line.count('"') % 2 == 0 for line in lines)


@pytest.mark.parametrize(
    ("redis_url", "user"),
    [
        ("redis://bob:hush@a", "bob"),
        ("redis://:hush@a", "publisher"),
        ("redis://default:hush@a", "publisher"),
        ("redis://hush@a", "publisher"),
        ("redis://a", "publisher"),
    ],
)
def test_the_user_is_the_urls_unless_that_is_nobodys_own(redis_url: str, user: str) -> None:
    """`default` is everyone's; a name without a password may be the password (R36)."""
    assert grants_of(REDIS_URL=redis_url).redis[0].user == user
    assert grants_of(REDIS_URL=redis_url, role="svc").redis[0].user == "svc"


@pytest.mark.parametrize(
    ("redis_url", "user"),
    [
        ("redis+sentinel://bob:hush@a/mymaster", "bob"),
        ("redis+sentinel://a/mymaster", "publisher"),
    ],
)
def test_the_user_of_a_primary_that_sentinels_name_is_that_of_its_url(redis_url: str, user: str) -> None:
    """As that of any other Redis."""
    assert grants_of(REDIS_URL=redis_url).redis[0].user == user


def test_each_redis_has_the_rights_to_its_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """One that has streams alone is told apart by its setting; a cluster may be asked for its slots (R13)."""
    own = {"PUBLISHER_EMAIL_REDIS_URL": "redis+cluster://eve:hush@b", "PUBLISHER_EVENTS_REDIS_URL": "redis://c"}
    grants = grants_of(**own)

    keys = {of.variable: [rule for rule in of.rules if rule[0] == "~"] for of in grants.redis}
    assert keys == {
        "REDIS_URL": ["~notification:intents", "~gateway:client_events", "~dramatiq", "~dramatiq:*", "~publisher:*"],
        "PUBLISHER_EVENTS_REDIS_URL": ["~notification:delivery_events", "~publisher:*"],
        "PUBLISHER_EMAIL_REDIS_URL": ["~mail:delivery_commands", "~publisher:*"],
    }
    assert [(of.user, "+cluster|slots" in of.rules, "+select" in of.rules) for of in grants.redis] == [
        ("bob", False, True),
        ("publisher", False, True),
        ("eve", True, False),
    ]
    print_grants(grants)
    said = capsys.readouterr().out
    assert said.count("ACL SETUSER eve ") == 2
    assert "# PUBLISHER_EMAIL_REDIS_URL\n" in said
    assert "# On every node of the cluster" in said
    assert "hush" not in said


def test_no_password_is_printed_and_a_schema_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the URLs names alone are shown; where the tables are elsewhere the search path is a matter, too (R36)."""
    print_grants(grants_of(schema="ours"))

    said = capsys.readouterr().out
    assert "hush" not in said
    assert 'GRANT USAGE ON SCHEMA "ours" TO "ann";' in said
    assert 'ALTER ROLE "ann" IN DATABASE "app" SET search_path TO "ours";' in said
