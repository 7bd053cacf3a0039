"""A deploy gives streams up on which commands wait: `publisher status` says so until they are read (R27, R37)."""

import json

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import intent_fields
from tests.named_streams import named_before
from tests.processes import Processes
from tests.waiting import wait_until

_BEFORE, _NOW = {"PUBLISHER_EMAIL_PARTITIONS": "8"}, {"PUBLISHER_EMAIL_PARTITIONS": "2"}
_PARTS = [f"{EMAIL}:{{{number}}}" for number in range(8)]


def test_status_warns_of_partitions_that_were_given_up(
    processes: Processes, outside: Outside, publisher: Publisher
) -> None:
    """Eight partitions become two, and nobody has read the others: their commands are counted, and no longer once read.

    Nothing is told while the workers of before name them.
    """
    started = [processes.start(name, **_BEFORE) for name in ("worker", "intake")]
    outside.send(intent_fields(recipients_json=users(60), channels_json=["email"]))
    outside.wait_for_routes(published=60)
    wait_until(lambda: outside.redis.hlen("publisher:named-streams") == 11)
    left = sum(outside.redis.xlen(part) for part in _PARTS[2:])

    def look(**variables: str) -> list[dict[str, object]]:
        """Starts a worker, which looks at once, and asks for what status then finds."""
        outside.redis.delete("publisher:retention:given-up", "publisher:given-up")
        worker = processes.start("worker", **variables)
        wait_until(lambda: outside.redis.exists("publisher:given-up"), describe=lambda: worker.output)
        worker.signal(15)
        assert worker.wait() == 0
        found = json.loads(publisher("status", "--json", **variables).stdout)
        told = [each for each in found["verdict"]["findings"] if each["code"] == "given_up"]
        assert sum(each["entries"] for each in found["streams_given_up"]) == sum(each["count"] for each in told)
        return told

    assert look(**_NOW) == []
    for process in started:
        process.signal(15)
        assert process.wait() == 0
    # Minutes later.
    named_before(outside.redis, *_PARTS)

    [finding] = look(**_NOW)
    assert (finding["level"], finding["count"]) == ("warning", left)
    assert f"{_PARTS[2]} on the Redis of REDIS_URL ({outside.redis.xlen(_PARTS[2])}), " in str(finding["text"])
    shown = publisher("status", **_NOW).stdout
    assert f"{left} entries wait on streams that were given up: " in shown
    assert "with the settings of before as well" in " ".join(shown.split())
    for part in _PARTS[2:]:
        outside.redis.xgroup_create(part, "mail-service", "0")
        for _, entries in outside.redis.xreadgroup("mail-service", "one", {part: ">"}):
            outside.redis.xack(part, "mail-service", *(id_ for id_, _ in entries))
    assert look(**_NOW) == []
