"""The reasons why a command makes no message: each is an expected outcome, and therefore a value."""

from dataclasses import dataclass

from publisher.domain.delivery_event import Fault


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """The template is missing or broken, or does not fit the command's variables.

    message: one line that names the template, its locale, the file and the line, and no value of a variable (R36).
    """

    message: str

    @property
    def fault(self) -> Fault:
        """The content is at fault: the same command fails until the template or its producer changes."""
        return Fault.CONTENT


@dataclass(frozen=True, slots=True)
class AddressFault:
    """No mail can be sent to the command's recipient.

    message: one line that does not hold the address (R36).
    """

    message: str

    @property
    def fault(self) -> Fault:
        """The recipient is at fault."""
        return Fault.RECIPIENT
