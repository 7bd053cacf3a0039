"""The rights that the service needs of its Redis user, tried on a real server."""

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import redis

from publisher.streams import rights, rights_tables, rights_trial
from publisher.streams.rights_trial import RedisTrial
from tests.factories import EVENTS, GROUP, INTENTS
from tests.integration.conftest import AsUser
from tests.integration.stream_entries import send_intents
from tests.valkeys import cluster

OUTBOUND = {"email": "mail:delivery_commands", "push": "gateway:client_events"}
STREAMS = rights.Streams(
    [INTENTS], GROUP, EVENTS, GROUP, {name: [of] for name, of in OUTBOUND.items()}, queues=list(OUTBOUND)
)


def rules() -> list[str]:
    """What a user needs."""
    return rights.acl_rules(STREAMS)


def tried(client: redis.Redis) -> RedisTrial:
    """What this user may not do."""
    return rights_trial.try_rights(client, STREAMS)


def lacking(client: redis.Redis) -> list[str]:
    """The commands and keys that this user may not use."""
    return [refusal.what for refusal in tried(client).refused]


def calls(script: str) -> Iterator[str]:
    """Every command that a Lua script runs."""
    yield from re.findall(r"redis\.p?call\([\"'](\w+)[\"']", script)
    # Commands that are put together before they are called.
    yield from re.findall(r"= \{ '([A-Z]+)', KEYS", script)


def test_a_user_who_may_do_everything_lacks_no_right(own_client: redis.Redis) -> None:
    """The default user of a server without ACLs."""
    assert tried(own_client) == RedisTrial([], elsewhere=False, untried=0)


def test_the_rights_that_are_named_are_enough(as_user: AsUser) -> None:
    """No right of an administrator among them, none to ask for rights, and no key but the service's."""
    assert tried(as_user(*rules())) == RedisTrial([], elsewhere=False, untried=0)


# Without CLIENT SETNAME there is no connection: see test_doctor.
@pytest.mark.parametrize("rule", [rule for rule in rules() if rule[0] in "+~" and rule != "+client|setname"])
def test_each_right_that_is_named_is_needed(as_user: AsUser, rule: str) -> None:
    """Without it something is refused, and the refusal's remedy is this very right: pasted, it mends all."""
    helpful = {"+info"}
    client = as_user(*(r for r in rules() if r != rule))

    refused = tried(client).refused

    assert bool(refused) is (rule not in helpful)
    granted = {word for refusal in refused for word in refusal.grant.split()}
    assert rule in granted or rule in helpful
    assert granted <= set(rules())


def test_rights_are_tried_without_a_change(own_client: redis.Redis, as_user: AsUser) -> None:
    """A stream, its group and what is pending are as they were, whoever tries."""
    send_intents(own_client, 2)
    own_client.xgroup_create(INTENTS, GROUP, "0")
    own_client.xreadgroup(GROUP, "c", {INTENTS: ">"}, count=1)
    own_client.set("publisher:scan-run:1", "kept")
    before = own_client.xinfo_stream(INTENTS, full=True), own_client.keys("*")

    for client in (own_client, as_user(*rules()), as_user("+@all", "~publisher:*"), as_user("~*", "+@all", "-xack")):
        tried(client)

    after = own_client.xinfo_stream(INTENTS, full=True), own_client.keys("*")
    # How long the consumer has been idle is all that may differ.
    clean = re.compile(r"'(seen|active)-time': \d+|\d{13}")
    assert [clean.sub("", str(state)) for state in after] == [clean.sub("", str(state)) for state in before]


def test_without_transactions_nothing_is_sent_and_that_is_told(as_user: AsUser, own_client: redis.Redis) -> None:
    """Outside of MULTI the commands would be run."""
    found = tried(as_user("~*", "+@all", "-multi"))

    assert [refusal.what for refusal in found.refused] == ["MULTI"]
    assert found.untried == len(rights.needed_rights(STREAMS)) - 1
    assert own_client.dbsize() == 0


def test_without_exec_or_discard_the_others_are_tried_all_the_same(as_user: AsUser, own_client: redis.Redis) -> None:
    """What was queued goes with its connection."""
    assert lacking(as_user("~*", "+@all", "-exec", "-discard", "-hdel")) == [
        *(
            "EXEC",
            "HDEL publisher:processes",
            "HDEL publisher:named-streams",
            "HDEL dramatiq:email.msgs",
            "HDEL dramatiq:email.XQ.msgs",
        ),
        *("HDEL dramatiq:push.msgs", "HDEL dramatiq:push.XQ.msgs", "DISCARD"),
    ]
    assert own_client.dbsize() == 0


def test_a_key_that_is_missing_is_named_with_each_command(as_user: AsUser) -> None:
    """Whoever forgot a channel's stream reads which."""
    found = lacking(as_user(*(rule for rule in rules() if rule != "~gateway:client_events")))

    assert "XADD gateway:client_events" in found
    assert [name for name in found if "gateway:client_events" not in name] == []


def test_a_mailer_needs_its_group_on_the_email_stream(as_user: AsUser) -> None:
    """A user who may only write there does for the service without mailers; with them each missing right is named."""
    email = OUTBOUND["email"]
    writing = " ".join(sorted({rights.granting(template.split()) for template, _ in rights_tables.CHANNEL}))
    client = as_user(*(rule for rule in rules() if rule != f"~{email}"), f"(~{email} ~publisher:* {writing})")
    assert tried(client).refused == []

    found = rights_trial.try_rights(client, replace(STREAMS, mail=[email], mail_group="mail-service"))

    assert [refusal.what for refusal in found.refused] == [
        f"{name} {email}" for name in ("XGROUP CREATE", "XREADGROUP", "XCLAIM", "XACK", "XGROUP DELCONSUMER")
    ]
    assert found.refused[1].grant == f"+xreadgroup ~{email}"


def test_a_stream_with_signs_of_a_pattern_is_named_literally(as_user: AsUser, own_client: redis.Redis) -> None:
    """`jobs[1]*` is one stream, and no other."""
    streams = replace(STREAMS, commands={"email": ["jobs[1]*"]})
    client = as_user(*rights.acl_rules(streams))

    assert rights_trial.try_rights(client, streams).refused == []
    assert lacking(client)
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.xlen("jobs1x")


@pytest.mark.parametrize(
    "streams",
    [
        replace(STREAMS, intents=[], events=None, commands={"push": [OUTBOUND["push"]]}, queues=None),
        replace(STREAMS, commands={}, queues=None),
        replace(STREAMS, intents=[], events=None, commands={}),
    ],
)
def test_a_redis_with_some_of_the_streams_needs_the_rights_to_these_alone(
    as_user: AsUser, streams: rights.Streams
) -> None:
    """What is printed for it is enough, and every rule of it is needed (R13)."""
    printed = rights.acl_rules(streams)
    assert rights_trial.try_rights(as_user(*printed), streams) == RedisTrial([], elsewhere=False, untried=0)

    needed = {rights.granting(right.command) for right in rights.needed_rights(streams)}
    assert {rule for rule in printed if rule[0] == "+"} == needed | {"+info"}
    assert {rule[1:] for rule in printed if rule[0] == "~"} - {"publisher:*", "dramatiq", "dramatiq:*"} == {
        *streams.names
    }
    assert ("~dramatiq:*" in printed) is (streams.queues is not None)


def test_every_command_of_every_script_is_in_the_table() -> None:
    """Redis checks each of them, as if the user had sent it."""
    scripts = [file for file in files("publisher.streams").iterdir() if file.name.endswith(".lua")]
    dispatch = files("dramatiq").joinpath("brokers/redis/dispatch.lua").read_text()
    table = {r.command[0] for r in rights.needed_rights(STREAMS)}
    # Of queues that are emptied, or counted, by nobody here, and of Dramatiq's own upkeep, which is switched off.
    unused = {"HLEN", "SCARD", "DEL", "KEYS"}

    used = {name.upper() for text in (*(s.read_text() for s in scripts), dispatch) for name in calls(text)}

    assert {"XADD", "XTRIM", "SREM"} <= used
    assert used - unused <= table


def test_keys_of_several_slots_in_one_step_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster refuses such a step, with one shard, too: tried on one whose table of rights has one."""
    monkeypatch.setattr(rights, "SERVICE", (("MGET {processes} {queues}", "nobody"),))
    with cluster(tmp_path, shards=1) as url, redis.Redis.from_url(url) as client:
        assert lacking(client) == ["MGET on keys of several slots: publisher:processes, dramatiq:__queues__"]
