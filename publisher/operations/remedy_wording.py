"""Remedies as sentences that end in the command that an operator can paste into a shell."""

import shlex

from publisher.operations.remedy import Remedy, Sentence

_SAID = {
    Remedy.REPUBLISH: ": publisher routes republish {}",
    Remedy.REQUEUE: ": publisher dead-letters requeue {}",
    Remedy.DISCARD: ": publisher dead-letters discard {}",
    Remedy.RESUME_CHANNEL: ": publisher channels resume {}",
    Remedy.REMOVE_HOLD: ": publisher holds remove {}",
    Remedy.SEND_HELD: ": publisher mailer held send {}",
    Remedy.SETTLE_HELD: ": publisher mailer held settle {} --as accepted",
    Remedy.SUPPRESS: ": publisher mailer suppressions add ADDRESS",
    Remedy.CHECK_MAIL: ": publisher mailer check",
    Remedy.CHECK_STATUS: " 'publisher status' says more.",
    Remedy.SHOW_MALFORMED: ": publisher malformed show {}",
    Remedy.LOOK_UP: ": publisher trace {}",
}


def worded(sentence: Sentence) -> str:
    """Returns the sentence, followed by the command of its remedy. Ids that a shell would obey are quoted."""
    if isinstance(sentence, str):
        return sentence
    return sentence.text + _SAID[sentence.remedy].format(shlex.quote(sentence.about))
