"""Verdicts of `publisher doctor` on rights, on writes that were tried, and on what stands behind REDIS_URL."""

from dataclasses import replace

import pytest

from publisher.doctor.checks import redis_server, rights
from publisher.doctor.verdict import Verdict, ok
from publisher.streams.rights_trial import RedisTrial, Refusal
from tests.unit.doctor.test_servers import REDIS


def test_a_redis_right_that_is_missing_is_named_with_the_rules_that_give_it() -> None:
    """Each rule once, however many commands lack it."""
    refused = [Refusal("HDEL a", "+hdel ~a"), Refusal("HSET a", "+hset ~a")]

    said = rights.redis(RedisTrial(refused, elsewhere=False, untried=0))

    assert (said.verdict, said.finding) == (Verdict.FAILED, "not allowed: HDEL a, HSET a")
    assert said.remedy.startswith("ACL SETUSER … +hdel ~a +hset for the user of REDIS_URL")
    assert rights.redis(RedisTrial([], elsewhere=False, untried=0)) == ok("this user may do all that is needed")


def test_rights_that_could_not_be_tried_are_counted() -> None:
    """Without MULTI none of the others was."""
    said = rights.redis(RedisTrial([Refusal("MULTI", "+multi")], elsewhere=False, untried=90))

    assert said.finding == "not allowed: MULTI; 90 rights could not be tried without"


def test_a_command_that_the_server_does_not_know_is_its_version() -> None:
    """No right would help."""
    said = rights.redis(RedisTrial([Refusal("XAUTOCLAIM (the server does not know it)", "")], False, 0))

    assert said.verdict is Verdict.FAILED
    assert "version 6.2" in said.remedy


def test_a_sentinel_is_named_for_what_it_is() -> None:
    """It answers, and holds no data."""
    said = redis_server.misdirected(replace(REDIS, mode="sentinel", role="sentinel"), None, elsewhere=False)

    assert said is not None
    assert said.verdict is Verdict.FAILED
    assert said.finding.startswith("it is a Sentinel")


@pytest.mark.parametrize(
    ("mode", "shards", "elsewhere", "finding"),
    [
        ("cluster", 3, True, "it is one shard of a cluster of 3 shards"),
        ("cluster", 2, False, "it is one shard of a cluster of 2 shards"),
        ("cluster", None, True, "it is one shard of a cluster of several shards"),
    ],
)
def test_a_cluster_of_several_shards_is_named(mode: str, shards: int | None, elsewhere: bool, finding: str) -> None:
    """Told by its size, or by a key that another shard has."""
    said = redis_server.misdirected(replace(REDIS, mode=mode), shards, elsewhere=elsewhere)

    assert said is not None
    assert said.verdict is Verdict.FAILED
    assert said.finding.startswith(finding)


def test_a_cluster_of_one_shard_will_do() -> None:
    """So will a server that tells nothing of itself."""
    assert redis_server.misdirected(replace(REDIS, mode="cluster"), 1, elsewhere=False) is None
    assert redis_server.misdirected(None, None, elsewhere=False) is None


def test_a_write_that_was_refused_fails_the_check_in_the_words_of_redis() -> None:
    """Whatever else looks well."""
    assert redis_server.writes(None).verdict is Verdict.OK
    said = redis_server.writes("Redis refused: MISCONF …")
    assert (said.verdict, said.finding) == (Verdict.FAILED, "it took no write: Redis refused: MISCONF …")
