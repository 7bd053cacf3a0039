"""Sets apart what may have killed the process that had it: fewer are taken up together after each death (R5a, R20)."""

# Taken up so often before, each is taken up alone.
_APART = 3


def at_once(count: int, times: int) -> int:
    """Returns how many are taken up together: an eighth as many after each death, and one alone from the third on.

    So what kills its process dies alone before any neighbour is taken for the cause.
    count: how many if none of them was taken up before. times: how often they were, this time included.
    """
    deaths = max(0, times - 1)
    return max(1, count // 8**deaths) if deaths < _APART else 1


def sizes(count: int) -> list[int]:
    """Returns `at_once` for the first time, the second, and so on. The last one stands for all times after it."""
    return [at_once(count, deaths + 1) for deaths in range(_APART + 1)]
