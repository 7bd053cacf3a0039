"""A process that was stopped for longer than a timeout believes the replies that came meanwhile (R33)."""

import asyncio
import selectors
import socket
from contextlib import closing
from selectors import SelectorKey

from publisher.mail.smtp.outcome import Reply
from publisher.mail.smtp.replies import Replies


class Interrupted(selectors.DefaultSelector):
    """What a process has after SIGCONT: the signal interrupts epoll, which once names nothing that is ready."""

    is_interrupted = False

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Returns what is ready, but for the one time."""
        if self.is_interrupted:
            self.is_interrupted = False
            return []
        return super().select(timeout)


def test_a_reply_that_came_while_the_process_was_stopped_counts() -> None:
    """The timeout is over by then: a message that the server has accepted is not sent a second time."""
    selector = Interrupted()

    async def answered() -> tuple[list[Reply], str | None]:
        ours, theirs = socket.socketpair()
        with closing(theirs):
            ours.setblocking(False)
            transport, replies = await asyncio.get_running_loop().create_connection(Replies, sock=ours)
            theirs.sendall(b"250 2.0.0 Ok: queued\r\n")
            selector.is_interrupted = True
            taken = await replies.take(1, 0.0)
            ended = replies.ended
            transport.abort()
            await replies.closed
            return taken, ended

    with closing(asyncio.SelectorEventLoop(selector)) as loop:
        assert loop.run_until_complete(answered()) == ([Reply(250, "2.0.0 Ok: queued")], None)
