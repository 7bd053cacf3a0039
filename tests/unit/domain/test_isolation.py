"""How few are taken up together of what may have killed its process."""

from publisher.domain.isolation import at_once, sizes


def test_a_page_shrinks_with_each_death_upon_it() -> None:
    """Whoever dies of one entry takes an eighth as many along the next time, and in the end none (R5a)."""
    assert [at_once(500, tries) for tries in range(1, 6)] == [500, 62, 7, 1, 1]


def test_what_was_given_back_is_as_good_as_new() -> None:
    """A stop counts no delivery; the list says the same as the rule, time by time (R17)."""
    assert at_once(500, 0) == 500
    assert sizes(500) == [500, 62, 7, 1]
