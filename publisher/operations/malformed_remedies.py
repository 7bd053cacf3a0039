"""Says what an operator can do about a malformed intent, by its failure code (R19)."""

from publisher.domain.rejection import RejectionCode

_EDIT = "edit it: resubmit opens it in $VISUAL or $EDITOR, or takes --file"
_REMEDIES = {
    RejectionCode.UNKNOWN_CHANNEL: (
        "install the channel and resubmit --unchanged, or edit channels_json: resubmit opens it, or takes --file"
    ),
    RejectionCode.CHANNEL_FAILED: "mend or upgrade the package that brings this channel, then resubmit --unchanged",
    RejectionCode.IDEMPOTENCY_CONFLICT: (
        "resubmitted under the same producer and idempotency_key it would conflict again: if it is another"
        " notification, change idempotency_key as you resubmit; if it is the one that was accepted, leave it"
    ),
    RejectionCode.POISON: "find out why its readers ended: resubmitted --unchanged, it may end them again",
    RejectionCode.STORAGE_REFUSED: "remove what PostgreSQL refuses, then resubmit --unchanged, or edit it",
}


def remedy(failure_code: str) -> str:
    """What an operator can do about an intent that was recorded with this code."""
    return _REMEDIES.get(RejectionCode(failure_code), _EDIT) if failure_code in set(RejectionCode) else _EDIT
