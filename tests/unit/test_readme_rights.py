"""The rights in the README are those that the service needs. Where they are not: `python -m tests.readme_rights`."""

from tests.readme_rights import README, postgresql_block, redis_block


def test_the_readme_names_the_redis_rights() -> None:
    """To be pasted for a user `publisher`."""
    assert redis_block() in README.read_text()


def test_the_readme_names_the_postgresql_rights() -> None:
    """To be pasted for a role `publisher`."""
    assert postgresql_block() in README.read_text()
