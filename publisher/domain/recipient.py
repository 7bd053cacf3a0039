"""A person or an address that an intent is for (R1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to reach: a user by id, with or without an email address, or an address alone."""

    user_id: str | None
    email: str | None
    locale: str | None

    @property
    def ref(self) -> str:
        """`user:<id>` or `address:<email>`, unique among an intent's recipients (R1)."""
        return f"address:{self.email}" if self.user_id is None else f"user:{self.user_id}"
