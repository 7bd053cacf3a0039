"""A person or an address that an intent is for (R1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipient:
    """A user by id, with or without an email address; or an email address alone.

    user_id: None for an address alone.
    email: None for a user without an address. At least one of the two is given.
    locale: None if the intent gave none.
    """

    user_id: str | None
    email: str | None
    locale: str | None

    @property
    def ref(self) -> str:
        """`user:<id>` or `address:<email>`, unique among an intent's recipients (R1)."""
        return f"address:{self.email}" if self.user_id is None else f"user:{self.user_id}"
