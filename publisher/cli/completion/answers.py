"""Completes a command line in the user's shell: answers what typer's script for the shell asks in the environment.

A shell shows everything that it is answered: a failure is an empty answer, and no line on standard error.
"""

import io
import os
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress

from typer.completion import completion_init  # type: ignore[attr-defined]

# Set by the script of each shell, with what it asks.
VARIABLE = "_PUBLISHER_COMPLETE"


def answer(complete: Callable[[], object]) -> int:
    """Prints how the word at the cursor can go on, and returns the exit code. complete: typer's answer."""
    behind = _mend_words()
    code: object = 0
    # Whatever is said, the user is typing at this moment and did not ask to see it: not by Python, nor by a C library.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with redirect_stdout(io.StringIO()) as printed, suppress(Exception):
        try:
            completion_init()
            complete()
        except SystemExit as ended:
            code = ended.code
        except KeyboardInterrupt:
            code = 130
    for line in printed.getvalue().splitlines():
        print(line.removeprefix(behind))
    return code if isinstance(code, int) else 0


def _mend_words() -> str:
    """Undoes bash's split of the command line at : and =, in the variables that typer reads.

    Returns the part of the word at the cursor that bash takes for words before it, and does not want in the answer.
    """
    given = os.environ.get("COMP_WORDS", "").split("\n")
    try:
        words, at, behind = rejoined(given, int(os.environ["COMP_CWORD"]))
    except (KeyError, ValueError, IndexError):
        # Another shell, or one that asks for the script.
        return ""
    os.environ |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(at)}
    return behind


def rejoined(given: Sequence[str], cursor: int) -> tuple[Sequence[str], int, str]:
    """Returns the words as they were typed up to the cursor, the index of the last, and how much of it bash cut off.

    `email:user:7` comes as five words, and `--channel=email` as three, of which typer wants two. Raises IndexError if
    there is no such word.
    """
    words = [given[0]]
    for word in given[1:cursor]:
        if word.startswith(":") or words[-1].endswith(":"):
            words[-1] += word
        elif word != "=" or not words[-1].startswith("--"):
            words.append(word)
    last = given[cursor]
    if last.startswith(":") or words[-1].endswith(":"):
        behind = words.pop() + (last if last.startswith(":") else "")
        words.append(behind + last.lstrip(":"))
        return words, len(words) - 1, behind
    # Right behind the = of an option, and nothing typed of its value.
    words.append("" if last == "=" and words[-1].startswith("--") else last)
    return words, len(words) - 1, ""
