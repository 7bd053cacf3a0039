"""Whether the service may do what it must be able to do: rights on both servers, tried or asked for one by one."""

from collections.abc import Sequence

from publisher.doctor.verdict import Diagnosis, failed, ok
from publisher.operations.wording import names
from publisher.streams.rights_trial import RedisTrial
from storage.schema.rights import Grant


def postgresql(missing: Sequence[Grant]) -> Diagnosis:
    """This role may do with each table what the service does."""
    if missing:
        return failed(
            f"not granted: {names([grant.what for grant in missing])}",
            "; ".join(grant.statement for grant in missing),
        )
    return ok("this role may do all that is needed")


def redis(trial: RedisTrial, variable: str = "REDIS_URL") -> Diagnosis:
    """This user may run every command of the service on every key of the service. variable: the setting of its URL."""
    if not trial.refused:
        return ok("this user may do all that is needed")
    finding = names(list(dict.fromkeys(refusal.what for refusal in trial.refused)))
    if trial.untried:
        finding += f"; {trial.untried:,} rights could not be tried without"
    grants = dict.fromkeys(word for refusal in trial.refused for word in refusal.grant.split())
    if not grants:
        return failed(
            f"refused: {finding}",
            "use a Redis of version 6.2 or later, or a Valkey, without a cluster and with these commands",
        )
    return failed(
        f"not allowed: {finding}",
        f"ACL SETUSER … {' '.join(grants)} for the user of {variable}, or name another user there",
    )
