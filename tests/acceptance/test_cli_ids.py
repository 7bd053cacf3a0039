"""Every command takes every id that any command prints: a table of commands and kinds of ids, through the real CLI."""

import json
from collections.abc import Callable, Collection, Mapping

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.forked_commands import Done, Forks
from tests.acceptance.outside import PUSH, Outside

# Commands about a notification or a route. {} stands for the id.
PLACED = (
    "explain {}",
    "trace {}",
    "routes show {}",
    "routes list --notification {}",
    "routes republish {} --dry-run",
    "dead-letters show {}",
    "dead-letters requeue {} --dry-run",
    "dead-letters discard {} --dry-run",
)
# Commands about a thing of one kind.
NUMBERED = {
    "malformed show {}": "malformed intent",
    "malformed resubmit {} --unchanged --dry-run": "malformed intent",
    "actions show {}": "operator action",
    "intents losses acknowledge {}": "loss of intents",
    "dead-letters requeue --resume {} --dry-run": "operator action",
    "dead-letters discard --resume {} --dry-run": "operator action",
    "routes republish --resume {} --dry-run": "operator action",
}
Run = Callable[..., list[Done]]


def some(commands: Collection[str]) -> list[object]:
    """Every command, all but each third of them in the long form: ids are read in one place."""
    return [pytest.param(c, marks=() if n % 3 == 0 else pytest.mark.long) for n, c in enumerate(commands)]


@pytest.fixture
def run(environ: dict[str, str], forks: Forks) -> Run:
    """Runs a command once for each of these ids."""

    def all_of(command: str, *ids: str) -> list[Done]:
        words = command.split()
        return forks.run_many([[word.replace("{}", id_) for word in words] for id_ in ids], environ)

    return all_of


EMAIL_ROUTE = ("delivery", "shortened delivery", "dead letter", "dead letter as messages say it", "route")
WHOLE = ("notification", "shortened", "key", "key with its producer", "intent's entry", "request")
# Other spellings, which are read in one place: one command shows them.
SPELLED = ("in upper case", "shortened by a table", "key with its kind", "quoted", "trace", "repeated intent's entry")


@pytest.mark.parametrize("command", some(PLACED))
def test_a_command_about_a_route_takes_every_id_that_leads_to_one(
    command: str, ids: Mapping[str, str], run: Run
) -> None:
    """Whatever names a notification or one of its routes is taken for it; a route that cannot be changed so says it."""
    whole = (*WHOLE, *SPELLED) if command.startswith("explain") else WHOLE
    for name, done in zip(whole, run(command, *(ids[name] for name in whole)), strict=True):
        assert (done.code, done.stderr) == (0, b""), (name, done)
        assert ids["notification"].encode() in done.stdout or b"1 matched" in done.stdout, (name, done)
    for names, without in ((EMAIL_ROUTE, "republish"), (("command",), "dead-letters")):
        for name, done in zip(names, run(command, *(ids[name] for name in names)), strict=True):
            if without in command:
                assert (done.code, done.stdout) == (1, b""), (name, done)
                assert b"has no " in done.stderr, (name, done)
            else:
                assert (done.code, done.stderr) == (0, b""), (name, done)
                route = b"push:user:7" if name == "command" else b"email:user:7"
                assert route in done.stdout or b"1 matched" in done.stdout, (name, done)


@pytest.mark.parametrize("command", some(PLACED))
def test_a_command_about_a_route_names_the_command_for_any_other_id(
    command: str, ids: Mapping[str, str], run: Run
) -> None:
    """The id of something else is an error that says what it is and which command takes it, exit code 2."""
    others = {
        "malformed": "malformed intent 51, entry 17-1: unknown_channel|publisher malformed show 51",
        "malformed entry": "malformed intent 51, entry 17-1: unknown_channel|publisher malformed show 51",
        "action": "action 61, requeue-dead-letters by ann|publisher actions show 61",
        "loss": "loss 71 of intents of stream notification:intents|publisher intents losses acknowledge 71",
    }
    if command.startswith("trace"):
        # What became of the entry can be shown.
        del others["malformed"], others["malformed entry"]

    for (name, said), done in zip(others.items(), run(command, *(ids[name] for name in others)), strict=True):
        assert (done.code, done.stdout) == (2, b""), (name, done)
        assert all(text in done.stderr.decode() for text in said.split("|")), (name, done)


@pytest.mark.parametrize("command", some(NUMBERED))
def test_a_command_about_one_kind_takes_its_ids_and_names_the_command_for_any_other(
    command: str, ids: Mapping[str, str], run: Run
) -> None:
    """A bare number is of its own kind; a number of another kind, and any other id, is told with its command."""
    noun = NUMBERED[command]
    own = {
        "malformed intent": ("51", ids["malformed"], "17-1", ids["malformed as messages say it"]),
        "operator action": ("61", ids["action"], ids["action as messages say it"]),
        "loss of intents": ("71", ids["loss"]),
    }[noun]
    others = [f"{number}" for number in ("51", "61", "71") if number not in own] + [ids["key"], ids["dead letter"]]

    for id_, done in zip(others, run(command, *others), strict=True):
        assert (done.code, done.stdout) == (2, b""), (id_, done)
        assert b" is " in done.stderr, (id_, done)
        assert b"see 'publisher " in done.stderr, (id_, done)
    # The action is a requeue: no other change goes on with it. A loss is acknowledged once.
    taken = run(command, *own)
    if "republish" in command or "discard" in command:
        assert all(b"; this command goes on with '" in done.stderr for done in taken), taken
    elif noun == "loss of intents":
        assert [done.code for done in taken] == [0, 2], taken
    else:
        assert [(done.code, done.stderr) for done in taken if b"would be accepted" not in done.stdout] == [
            (0, b"") for done in taken if b"would be accepted" not in done.stdout
        ]


def test_an_id_that_nothing_has_says_what_was_looked_at(ids: Mapping[str, str], publisher: Publisher) -> None:
    """One line, exit code 1: what the text could have been, and a key that is nearly the same."""
    done = publisher("explain", "turn-16")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "publisher: nothing has the id 'turn-16'. Searched: every idempotency key; the keys of the newest 10,000"
        " malformed intents, without large ones; the request, trace and route ids of the newest 10,000 notifications"
        " and routes. Did you mean 'publisher explain turn-17'?\n"
    )


def test_a_command_is_found_after_its_stream_was_trimmed(
    ids: Mapping[str, str], outside: Outside, publisher: Publisher
) -> None:
    """PostgreSQL still knows which route was published as it."""
    outside.redis.delete(PUSH)

    done = publisher("explain", ids["command"], "--json")

    assert json.loads(done.stdout)["route_id"] == "push:user:7"


def test_a_dead_letter_is_requeued_by_its_number_alone(
    ids: Mapping[str, str], outside: Outside, publisher: Publisher
) -> None:
    """The number names one dead letter, also of a route that was given up before."""
    letter = ids["dead letter"].partition(":")[2]
    outside.rows(
        "INSERT INTO dead_letters OVERRIDING SYSTEM VALUE SELECT 7, notification_id, route_id, channel,"
        " notification_type, classification, message, attempt_count, max_attempts, dead_lettered_at, now(),"
        " 'bob' FROM dead_letters"
    )

    earlier = publisher("dead-letters", "requeue", "7", "--yes")
    done = publisher("dead-letters", "requeue", letter, "--yes", "--json")

    assert (earlier.returncode, earlier.stdout) == (1, "")
    assert json.loads(done.stdout)["requeued"] == 1
