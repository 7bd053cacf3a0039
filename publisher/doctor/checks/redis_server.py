"""Whether Redis can do its work: writable, persistent, never evicting, and with room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from publisher.doctor.checks.postgresql import ROUND_TRIPS_A_TIMEOUT
from publisher.doctor.verdict import Diagnosis, Verdict, failed, ok, together, unknown, warning
from publisher.operations.wording import names, size, span
from publisher.streams.health import RedisConfiguration, RedisServer
from publisher.streams.servers.cluster import SLOTS
from publisher.streams.servers.one_server import WAY_OUT

_FILLING, _FULL = 0.75, 0.95
_CLIENTS_FILLING = 0.8
_LOOK_THERE = "look it up in the provider's console, or let this user run CONFIG GET"


def server(found: RedisServer, round_trip: timedelta, timeout: timedelta, variable: str = "REDIS_URL") -> Diagnosis:
    """A primary that has its data, and answers much faster than the service waits.

    variable: the setting that names it.
    """
    complaints = []
    if found.loading:
        complaints.append(failed("it is still loading its data", "wait until it has"))
    if found.role not in ("master", "primary"):
        complaints.append(failed(f"it takes no writes: its role is {found.role}", f"point {variable} at the primary"))
    if round_trip * ROUND_TRIPS_A_TIMEOUT > timeout:
        complaints.append(
            warning(
                f"it answers in {span(round_trip)}, and the service waits {span(timeout)}",
                "raise PUBLISHER_ROUTE_LEASE_TTL, which the timeouts follow, or move the service closer",
            )
        )
    return together(complaints, f"{found.product} answers in {span(round_trip)}")


def misdirected(
    found: RedisServer | None, shards: int | None, *, elsewhere: bool, variable: str = "REDIS_URL"
) -> Diagnosis | None:
    """A failure where the setting names something that is no single Redis; None where it is one, as far as can be seen.

    found: None where INFO is not allowed. shards: of its cluster, None for no cluster or not told. elsewhere: some keys
    of the service are another server's. variable: the setting.
    """
    if found is not None and found.mode == "sentinel":
        return failed(
            "it is a Sentinel, which watches a Redis and holds no data",
            f"write redis+sentinel://host:port/NAME in {variable}, with the name that the Sentinels have for the"
            " primary: each connection then asks them where it is",
        )
    if elsewhere or (shards is not None and shards > 1):
        count = f"{shards:,} shards" if shards else "several shards"
        finding = f"it is one shard of a cluster of {count}, and the service's keys are on all of them"
        if variable == "REDIS_URL":
            return failed(finding, WAY_OUT)
        return failed(finding, f"write redis+cluster://host:port,host:port in {variable}, with some of its nodes")
    return None


def slots(ranges: Iterable[tuple[int, int]], variable: str) -> Diagnosis:
    """Every slot of a cluster has a node. ranges: the slots that have one, the first and the last of each range."""
    missing, expected = list[str](), 0
    count = 0
    for first, last in [*sorted(ranges), (SLOTS, SLOTS)]:
        if first > expected:
            missing.append(f"{expected}-{first - 1}")
            count += first - expected
        expected = max(expected, last + 1)
    if missing:
        return failed(
            f"{count:,} of {SLOTS:,} slots have no node: {names(missing)}",
            f"start their node again, or give them to another one: redis-cli --cluster fix, on a node of {variable}",
        )
    return ok("every slot has a node")


def no_cluster(message: str, variable: str) -> Diagnosis:
    """A failure: the nodes did not say which of them has which slot. message: what Redis said."""
    return failed(
        message,
        f"if it is no cluster, write redis:// in the place of redis+cluster:// in {variable}; if it is one, let this"
        " user run CLUSTER SLOTS: publisher doctor --print-grants",
    )


def of_nodes(found: Sequence[tuple[str, Diagnosis]]) -> Diagnosis:
    """One check of several nodes of a cluster, by their names; all together where the same is said of each."""
    same = {said.finding for _, said in found}
    if len(found) > 1 and len(same) == 1 and all(said.verdict is Verdict.OK for _, said in found):
        return ok(f"each of {len(found):,} nodes: {same.pop()}")
    complaints = [replace(said, finding=f"{node}: {said.finding}") for node, said in found if said.verdict != "ok"]
    return together(complaints, "; ".join(f"{node}: {said.finding}" for node, said in found))


def refuses_everything(message: str) -> Diagnosis:
    """A failure: no command comes so far as to be run. message: what Redis said."""
    return failed(message, "let this user run CLIENT SETNAME and SELECT, and name a database number that there is")


def writes(refusal: str | None) -> Diagnosis:
    """Redis takes a write. refusal: what it said to one, None where it took it."""
    if refusal is not None:
        return failed(
            f"it took no write: {refusal}",
            "MISCONF or a full disk: see its log; OOM: give it memory; READONLY: name the primary; NOREPLICAS: its"
            " replicas are away",
        )
    return ok("a key was written, and goes by itself")


def persistence(found: RedisServer, configuration: RedisConfiguration | None) -> Diagnosis:
    """What stands on the streams survives a restart. configuration: None where it may not be asked for."""
    complaints = []
    if found.aof and not found.aof_healthy:
        complaints.append(failed("the last write to the append-only file failed", "see its log: a full disk?"))
    if not found.rdb_healthy:
        refuses = configuration is None or configuration.stop_writes_on_error
        judged = failed if refuses and not found.aof else warning
        complaints.append(judged("the last snapshot failed", "see its log: a full disk, or no memory to fork with?"))
    if found.aof and configuration and configuration.appendfsync == "no":
        complaints.append(
            warning("appendfsync is no: up to half a minute is lost in a crash", "set appendfsync to everysec")
        )
    if not found.aof:
        complaints.append(_without_aof(configuration))
    how = f"append-only file, synced {configuration.appendfsync}" if configuration else "append-only file"
    return together(complaints, how)


def _without_aof(configuration: RedisConfiguration | None) -> Diagnosis:
    if configuration is None:
        return unknown("no append-only file, and snapshots are not shown", _LOOK_THERE)
    if configuration.save:
        return warning(
            f"snapshots alone (save {configuration.save}): a crash loses what came since the last",
            "set appendonly to yes: intents that nobody has read would be gone",
        )
    return failed(
        "nothing is kept: a restart loses every intent and command that was not read",
        "set appendonly to yes",
    )


def eviction(found: RedisServer) -> Diagnosis:
    """Nothing is thrown away for want of memory: a lost stream is lost, a lost witness makes a duplicate (R12)."""
    complaints = []
    if found.policy is None:
        complaints.append(unknown("maxmemory-policy is not shown", _LOOK_THERE))
    elif found.policy != "noeviction":
        finding = f"maxmemory-policy is {found.policy}"
        remedy = "set maxmemory-policy to noeviction: a full Redis then refuses, and routes wait; else it loses them"
        # Without a limit nothing is evicted, yet.
        complaints.append(
            failed(finding, remedy) if found.max_memory else warning(f"{finding}, without a limit", remedy)
        )
    if found.evicted:
        complaints.append(
            warning(
                f"{found.evicted:,} keys were evicted since its start",
                "the loss audit finds commands of the audit window; intents among them are lost: send them again",
            )
        )
    return together(complaints, f"maxmemory-policy is {found.policy}")


def memory(found: RedisServer) -> Diagnosis:
    """There is room: a full Redis refuses every intent and command."""
    limit = found.max_memory or found.system_memory
    used = size(found.used_memory)
    if not limit:
        return unknown(f"{used} used, and no limit is shown", _LOOK_THERE)
    whose = "maxmemory" if found.max_memory else "its machine's memory, maxmemory is not set"
    share = found.used_memory / limit
    finding = f"{used} used, {share:.0%} of {size(limit)} ({whose})"
    remedy = "give it more, or lower PUBLISHER_…_STREAM_CEILING or _STREAM_RETENTION: are their consumers reading?"
    if share > _FULL:
        return failed(finding, remedy)
    return warning(finding, remedy) if share > _FILLING else ok(finding)


def clients(found: RedisServer) -> Diagnosis:
    """There is room for more connections."""
    if not found.max_clients:
        return unknown(f"{found.clients:,} connected, and no limit is shown", _LOOK_THERE)
    finding = f"{found.clients:,} of {found.max_clients:,} connected"
    if found.clients > found.max_clients * _CLIENTS_FILLING:
        return warning(finding, "run fewer processes or threads, or take a plan with more connections")
    return ok(finding)


def streams(types: Mapping[str, str]) -> Diagnosis:
    """The keys of our streams hold streams, or nothing yet. types: key -> what Redis says it holds."""
    wrong = [f"{key} holds a {type_}" for key, type_ in types.items() if type_ not in ("stream", "none")]
    if wrong:
        variables = "PUBLISHER_INTENTS_STREAM, PUBLISHER_EVENTS_STREAM, PUBLISHER_<CHANNEL>_STREAM"
        return failed(names(wrong), f"move that key away, or name another stream in its variable: {variables}")
    return ok(names(list(types)) if types else "none: each stream has a Redis of its own")
