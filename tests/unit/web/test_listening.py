"""The socket that the page listens on."""

import socket

from publisher.settings.web import WebSettings
from publisher.web_process import listen


def test_an_answer_is_sent_at_once() -> None:
    """No connection waits for the acknowledgement of an answer's head before the rest of it is sent."""
    settings = WebSettings.model_validate({"PUBLISHER_WEB_PORT": "0"})
    with listen(settings) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
