"""Remedies as command lines that an operator can paste into a shell, and as the ends of sentences."""

import shlex

from publisher.operations.remedy.remedy import Remedy, Sentence

_COMMANDS = {
    Remedy.REPUBLISH: "publisher routes republish {}",
    Remedy.REQUEUE: "publisher dead-letters requeue {}",
    Remedy.DISCARD: "publisher dead-letters discard {}",
    Remedy.RESUME_CHANNEL: "publisher channels resume {}",
    Remedy.REMOVE_HOLD: "publisher holds remove {}",
    Remedy.SEND_HELD: "publisher mailer held send {}",
    Remedy.SETTLE_HELD: "publisher mailer held settle {} --as accepted",
    Remedy.SUPPRESS: "publisher mailer suppressions add ADDRESS",
    Remedy.CHECK_MAIL: "publisher mailer check",
    Remedy.CHECK_STATUS: "publisher status",
    Remedy.SHOW_MALFORMED: "publisher malformed show {}",
    Remedy.LOOK_UP: "publisher trace {}",
}


def command_of(remedy: Remedy, about: str = "") -> str:
    """Returns the command line of a remedy. about: the id or name that it needs, quoted where a shell would obey it."""
    return _COMMANDS[remedy].format(shlex.quote(about))


def worded(sentence: Sentence) -> str:
    """Returns the sentence, followed by the command of its remedy."""
    if isinstance(sentence, str):
        return sentence
    command = command_of(sentence.remedy, sentence.about)
    if sentence.remedy is Remedy.CHECK_STATUS:
        # Its sentence is a question.
        return f"{sentence.text} '{command}' says more."
    return f"{sentence.text}: {command}"
