"""Reads which metrics an expression of Prometheus names."""

import re
from collections.abc import Set as AbstractSet

# What holds names of labels, durations and texts, and no metric.
_ASIDE = re.compile(
    r'"(?:[^"\\]|\\.)*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)'
)
_WORD = re.compile(r"(?<![\w])[A-Za-z_:][\w:]*(?!\w)(?!\s*\()")
_OPERATORS = {"and", "or", "unless", "bool", "offset", "group_left", "group_right", "atan2"}
# What a template of Grafana stands for.
_VARIABLE = re.compile(r"\$\{?\w+\}?")


def metrics_of(expression: str) -> AbstractSet[str]:
    """The names of the metrics in an expression, without those of functions, labels and operators."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    return set(_WORD.findall(_ASIDE.sub(" ", _VARIABLE.sub(" ", plain)))) - _OPERATORS
