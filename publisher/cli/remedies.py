"""Remedies as the commands that an operator can paste into a shell."""

import shlex

from publisher.operations.malformed import MalformedRemedy, remedy_of
from publisher.operations.remedy import Remedy, Sentence

_SAID = {
    Remedy.REPUBLISH: ": publisher routes republish {}",
    Remedy.REQUEUE: ": publisher dead-letters requeue {}",
    Remedy.DISCARD: ": publisher dead-letters discard {}",
    Remedy.RESUME_CHANNEL: ": publisher channels resume {}",
    Remedy.CHECK_STATUS: " 'publisher status' says more.",
    Remedy.SHOW_MALFORMED: ": publisher malformed show {}",
    Remedy.LOOK_UP: ": publisher trace {}",
}

_MALFORMED = {
    MalformedRemedy.EDIT: "edit it: resubmit opens it in $VISUAL or $EDITOR, or takes --file",
    MalformedRemedy.INSTALL_CHANNEL: (
        "install the channel and resubmit --unchanged, or edit channels_json: resubmit opens it, or takes --file"
    ),
    MalformedRemedy.MEND_CHANNEL: ("mend or upgrade the package that brings this channel, then resubmit --unchanged"),
    MalformedRemedy.CHANGE_KEY: (
        "resubmitted under the same producer and idempotency_key it would conflict again: if it is another"
        " notification, change idempotency_key as you resubmit; if it is the one that was accepted, leave it"
    ),
    MalformedRemedy.FIND_CAUSE: ("find out why its readers ended: resubmitted --unchanged, it may end them again"),
    MalformedRemedy.MAKE_STORABLE: "remove what PostgreSQL refuses, then resubmit --unchanged, or edit it",
}


def worded(sentence: Sentence) -> str:
    """Returns the sentence, followed by the command of its remedy. Ids that a shell would obey are quoted."""
    if isinstance(sentence, str):
        return sentence
    return sentence.text + _SAID[sentence.remedy].format(shlex.quote(sentence.about))


def remedy(failure_code: str) -> str:
    """What an operator can do about an intent that was recorded with this code, as a sentence with its options."""
    return _MALFORMED[remedy_of(failure_code)]
