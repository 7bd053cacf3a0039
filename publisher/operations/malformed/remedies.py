"""Remedies of malformed intents: a sentence, and the commands that an operator can paste into a shell."""

from publisher.operations.malformed.records import MalformedRemedy, remedy_of

_MALFORMED = {
    MalformedRemedy.EDIT: "correct it and send it again",
    MalformedRemedy.INSTALL_CHANNEL: (
        "install the channel and send it again unchanged, or correct channels_json and send it again"
    ),
    MalformedRemedy.MEND_CHANNEL: "mend or upgrade the package that brings this channel, then send it again unchanged",
    MalformedRemedy.CHANGE_KEY: (
        "sent again under the same producer and idempotency_key it would conflict again: if it is another notification,"
        " change idempotency_key and send it again; if it is the one that was accepted, leave it"
    ),
    MalformedRemedy.CHANGE_EVENT_ID: (
        "have its source give each event an id of its own; this one: change event_id, or correct delivery_id, and send"
        " it again"
    ),
    MalformedRemedy.CORRECT_DELIVERY: (
        "correct delivery_id and send it again; if it is right, leave it: its notification was pruned, or is in another"
        " database"
    ),
    MalformedRemedy.FIND_CAUSE: "find out why its readers ended: sent again unchanged, it may end them again",
    MalformedRemedy.MAKE_STORABLE: (
        "remove what PostgreSQL refuses, then send it again unchanged; or correct it and send it again"
    ),
}
_CORRECTED = frozenset(
    {
        MalformedRemedy.EDIT,
        MalformedRemedy.INSTALL_CHANNEL,
        MalformedRemedy.CHANGE_KEY,
        MalformedRemedy.CHANGE_EVENT_ID,
        MalformedRemedy.CORRECT_DELIVERY,
        MalformedRemedy.MAKE_STORABLE,
    }
)
# Sent again as they are, they are malformed again.
_WRONG = frozenset(
    {
        MalformedRemedy.EDIT,
        MalformedRemedy.CHANGE_KEY,
        MalformedRemedy.CHANGE_EVENT_ID,
        MalformedRemedy.CORRECT_DELIVERY,
    }
)


def remedy(failure_code: str) -> str:
    """What an operator can do about an intent that was recorded with this code, as a sentence."""
    return _MALFORMED[remedy_of(failure_code)]


def remedy_commands(failure_code: str, number: int) -> dict[str, list[str]]:
    """Returns the commands to paste that send this malformed intent again, by the way in which they do."""
    found = remedy_of(failure_code)
    ways: dict[str, list[str]] = {}
    if found in _CORRECTED:
        ways["corrected in $VISUAL or $EDITOR"] = [f"publisher malformed resubmit {number}"]
        ways["corrected in a file"] = in_a_file(number)
    if found not in _WRONG:
        ways["unchanged"] = [f"publisher malformed resubmit {number} --unchanged"]
    return ways


def in_a_file(number: int) -> list[str]:
    """Returns the command that writes the form of a malformed intent into a file, and the one that sends the file."""
    file = f"malformed-{number}.json"
    return [
        f"publisher malformed show {number} --form > {file}",
        f"publisher malformed resubmit {number} --file {file}",
    ]
