"""Masks email addresses in texts: each is shortened to its first letter and its domain (R26, R36)."""

import re

_WORD = r"\s@:<>\"(),;\[\]"
# What is masked, in this order: a text that a line must hold for the pattern to be tried, the pattern, what stays.
_PATTERNS = (
    # An address reference is a producer's text of any form: all up to the line's last @ is masked. "to address: reason"
    # is libpq's, when it cannot find its server.
    (
        "address:",
        re.compile(r"((?:(?<=:)address:|\baddress:(?=\S))\"?)([^\s@]?)(?:.*(?=@)|[^@\n]*$)", re.MULTILINE),
        r"\1\2***",
    ),
    # A quoted local part holds anything (RFC 5321): all from the line's first quotation mark on is masked.
    ('"@', re.compile(r"^([^\"\n]*\"[^\"\n]?).*\"@(?=[^\s@])", re.MULTILINE), r"\1***@"),
    # Any other address. Quotation marks and the like may be part of it or stand around it: they stay. Each repetition
    # is possessive and begins where a word does, so that a long text is read once.
    ("@", re.compile(rf"(?<![^{_WORD}])([/'={{}}]*+(?!\*{{3}}@)[^{_WORD}])[^{_WORD}]*+@(?=[^\s@])"), r"\1***@"),
    # The same as JSON may hold it. All up to the word's last one is masked.
    (
        r"\u0040",
        re.compile(
            rf"(?<![^{_WORD}])([/'={{}}]*+(?!\*{{3}}\\u0040)[^{_WORD}])(?:(?:[^{_WORD}\\]|\\(?!u0040))*+\\u0040)++(?=\S)"
        ),
        r"\1***\\u0040",
    ),
    # The same as a URL holds it. All up to the word's last %40 is masked.
    (
        "%40",
        re.compile(rf"(?<![^{_WORD}])([/'={{}}]*+(?!\*{{3}}%40)[^{_WORD}])(?:(?:[^{_WORD}%]|%(?!40))*+%40)++(?=\S)"),
        r"\1***%40",
    ),
)


def masked(text: str) -> str:
    """Returns the text with every email address shortened to its first letter and its domain (R26)."""
    for held, pattern, stays in _PATTERNS:
        if held in text:
            text = pattern.sub(stays, text)
    return text
