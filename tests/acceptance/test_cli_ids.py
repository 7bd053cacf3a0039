"""Every command takes every id that any command prints: a table of commands and kinds of ids, through the real CLI."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from publisher.domain.loss import LossCause
from storage.actions import begin_action
from storage.database import Database
from storage.intents import accept
from storage.losses import record_loss
from tests.acceptance.conftest import Publisher
from tests.acceptance.final_routes import BURY
from tests.acceptance.forked_commands import Done, run_many
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import PUSH, Outside
from tests.factories import INTENTS, incoming
from tests.terminals import Terminal

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


@pytest.fixture
def ids(database: Database, outside: Outside) -> Mapping[str, str]:
    """An id of each form: of a notification whose email route is a dead letter, and whose push route is published.

    The numbers of the records differ, so that a bare one names one thing.
    """
    fields = {"idempotency_key": "turn-17", "request_id": "req-1", "trace_id": "trace-1"}
    accept(database, INTENTS, [incoming("1773480413589-0", **fields)], [])
    outside.rows("SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), 40)")
    outside.rows("SELECT setval(pg_get_serial_sequence('malformed_intents', 'id'), 50)")
    outside.rows("SELECT setval(pg_get_serial_sequence('operator_actions', 'id'), 60)")
    outside.rows("SELECT setval(pg_get_serial_sequence('intents_losses', 'id'), 70)")
    outside.rows(BURY)
    id_ = outside.row("SELECT notification_id::text AS id FROM notifications")["id"]
    outside.redis.xadd(PUSH, {"event_id": f"{id_}/push:user:7"}, id="1773480413601-0")
    outside.rows(
        "UPDATE routes SET status = 'published', dead_letter_id = NULL, dead_lettered_at = NULL, attempt_count = 0,"
        " published_at = '2026-03-14T09:26:53.612Z', stream_entry_id = '1773480413601-0' WHERE channel = 'push'"
    )
    outside.rows("DELETE FROM dead_letters WHERE channel = 'push'")
    record_intent(database, entry_id="17-1")
    begin_action(database, "requeue-dead-letters", "ann", {}, 1)
    record_loss(database, INTENTS, LossCause.TRIMMED, "1-0", "2-0", 1)
    letter = outside.row("SELECT id FROM dead_letters")["id"]
    route = outside.row("SELECT id FROM routes WHERE channel = 'email'")["id"]
    return {
        "notification": id_,
        "in upper case": id_.upper(),
        "shortened": id_[:8],
        "shortened by a table": f"{id_[:13]}…",
        "key": "turn-17",
        "key with its producer": "game-service/turn-17",
        "key with its kind": "key:turn-17",
        "quoted": '"turn-17",',
        "intent's entry": "1773480413589-0",
        "request": "req-1",
        "trace": "trace-1",
        "delivery": f"{id_}/email:user:7",
        "shortened delivery": f"{id_[:8]}…/email:user:7",
        "dead letter": f"dead-letter:{letter}",
        "dead letter as messages say it": f"dead letter {letter}",
        "route": f"route:{route}",
        "command": "1773480413601-0",
        "malformed": "malformed:51",
        "malformed entry": "17-1",
        "malformed as messages say it": "malformed intent 51",
        "action": "action:61",
        "action as messages say it": "(action 61)",
        "loss": "loss:71",
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a command once for each of these ids."""

    def all_of(command: str, *ids: str) -> list[Done]:
        words = command.split()
        return run_many([[word.replace("{}", id_) for word in words] for id_ in ids], environ)

    return all_of


EMAIL_ROUTE = ("delivery", "shortened delivery", "dead letter", "dead letter as messages say it", "route")
WHOLE = ("notification", "shortened", "key", "key with its producer", "intent's entry", "request")
# Other spellings, which are read in one place: one command shows them.
SPELLED = ("in upper case", "shortened by a table", "key with its kind", "quoted", "trace")


@pytest.mark.parametrize("command", PLACED)
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


@pytest.mark.parametrize("command", PLACED)
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


@pytest.mark.parametrize("command", NUMBERED)
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


def test_a_number_of_several_kinds_is_listed_and_never_guessed(
    ids: Mapping[str, str], outside: Outside, publisher: Publisher
) -> None:
    """Each thing of this number comes with the line that names it alone; every line works as it stands."""
    outside.rows(
        "INSERT INTO operator_actions (id, action, by, target, matched, begun_at) OVERRIDING SYSTEM VALUE"
        " VALUES (51, 'prune', 'bob', '{}', 0, now())"
    )

    done = publisher("explain", "51")

    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "publisher: '51' names 2 things: choose one"
    assert [line.strip() for line in lines[1::2]] == ["publisher malformed show 51", "publisher actions show 51"]
    assert publisher("malformed", "show", "51").returncode == publisher("actions", "show", "51").returncode == 0


def test_a_key_of_two_producers_is_listed_and_never_guessed(
    ids: Mapping[str, str], database: Database, publisher: Publisher
) -> None:
    """`explain` lists both notifications; `trace` shows both, as it does whatever has the id."""
    accept(database, INTENTS, [incoming("9-0", producer="other", idempotency_key="turn-17")], [])

    done = publisher("explain", "turn-17", "--json")
    shown = publisher("trace", "turn-17", "--json").stdout

    assert (done.returncode, done.stdout) == (2, "")
    assert "of game-service, key turn-17" in done.stderr
    assert "of other, key turn-17" in done.stderr
    assert f"  publisher explain {ids['notification']}\n" in done.stderr
    assert len(shown.splitlines()) == 2


def test_a_choice_fits_a_narrow_terminal_and_can_be_pasted(
    ids: Mapping[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    """A command that is wider than the terminal goes on behind a backslash, as a shell reads it."""
    terminal = Terminal("publisher dead-letters requeue email:user:7", environ, 60, tmp_path)
    screen = terminal.wait()

    assert screen.code == 2
    assert max(map(len, screen.printed)) <= 60
    assert screen.printed[-3:] == (
        "  publisher dead-letters requeue \\",
        f"    {ids['delivery']}",
        "    dead_letter",
    )


def test_a_route_id_alone_is_told_with_the_newest_routes_of_it(ids: Mapping[str, str], publisher: Publisher) -> None:
    """A route id names a route within a notification: it is never taken for one route."""
    done = publisher("explain", "email:user:7")

    assert done.returncode == 2
    assert "'email:user:7' is a route id" in done.stderr
    assert f"publisher explain {ids['delivery']}" in done.stderr


def test_an_id_that_nothing_has_says_what_was_looked_at(ids: Mapping[str, str], publisher: Publisher) -> None:
    """One line, exit code 1: what the text could have been, and a key that is nearly the same."""
    done = publisher("explain", "turn-16")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "publisher: nothing has the id 'turn-16': no idempotency key, no request, trace or route id of the newest"
        " 10,000; did you mean 'publisher explain turn-17'?\n"
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
