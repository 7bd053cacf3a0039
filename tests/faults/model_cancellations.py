"""The part of the model that cancels: what is marked, what ends by that, and how each producer is answered (R28)."""

from dataclasses import dataclass, field

from tests.faults.model_route import RouteState


@dataclass
class Cancellation:
    """A producer's cancellation. counts: of cancelled, published and other routes; None: not answered."""

    awaits: bool = False
    counts: tuple[int, int, int] | None = None


@dataclass
class Cancellations:
    """Routes by delivery id, and cancellations by the notification's id."""

    routes: dict[str, RouteState] = field(default_factory=dict)
    cancellations: dict[str, Cancellation] = field(default_factory=dict)

    def cancel(self, delivery_id: str) -> bool:
        """An operator cancels a route, or a dead letter that waits. Returns False if there is nothing to cancel."""
        state = self.routes[delivery_id]
        if state.status == "dead_letter" and not state.discarded:
            state.status, state.due, state.losses, state.marked = "pending", True, 0, True
            state.requeues += 1
            return True
        if state.due is None or state.marked:
            return False
        state.marked = True
        if not state.touched:
            state.status, state.due = "cancelled", None
        return True

    def cancel_intent(self, notification_id: str, *, is_accepted: bool) -> bool:
        """A producer cancels. Returns False if it did so before: the first answer stands."""
        if notification_id in self.cancellations:
            return False
        self.cancellations[notification_id] = Cancellation(awaits=not is_accepted)
        for delivery_id in self._of(notification_id):
            self.cancel(delivery_id)
        self.answer(notification_id)
        return True

    def arrive_cancelled(self, notification_id: str) -> None:
        """The intent of a cancellation that waited for it was accepted: its routes are cancelled on arrival."""
        cancellation = self.cancellations.get(notification_id)
        if cancellation is None or not cancellation.awaits:
            return
        cancellation.awaits = False
        for delivery_id in self._of(notification_id):
            self.cancel(delivery_id)
        self.answer(notification_id)

    def answer(self, notification_id: str) -> None:
        """The answer is given once, when no route is open."""
        cancellation = self.cancellations[notification_id]
        states = [self.routes[id_] for id_ in self._of(notification_id)]
        if cancellation.counts is not None or cancellation.awaits or any(s.due is not None for s in states):
            return
        cancelled, published = (sum(s.status == word for s in states) for word in ("cancelled", "published"))
        cancellation.counts = cancelled, published, len(states) - cancelled - published

    def _of(self, notification_id: str) -> list[str]:
        return [id_ for id_ in self.routes if id_.startswith(f"{notification_id}/")]
