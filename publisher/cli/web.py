"""`publisher web`."""

import asyncio
from contextlib import closing
from datetime import timedelta
from functools import partial

import structlog

from publisher.bootstrap import collect_garbage_seldom, install_context
from publisher.cli.operator import operator
from publisher.cli.session import configured
from publisher.cli.waking import waker
from publisher.process.heartbeat import heartbeats
from publisher.process.logs import redirect_standard_streams
from publisher.process.signals import stop_on_signals
from storage.identity import read_system

_log = structlog.get_logger()


def web() -> None:
    """Serve the page, and the door for intents and delivery events over HTTP, until SIGTERM or Ctrl-C.

    On http://127.0.0.1:8000 unless PUBLISHER_WEB_HOST, PUBLISHER_WEB_PORT or PORT say otherwise. Where others than this
    machine reach it, PUBLISHER_WEB_READ_TOKEN and PUBLISHER_WEB_OPERATE_TOKEN must be set.
    """
    settings = configured(by_hand=False)
    settings.web.check()
    redirect_standard_streams()
    # Its libraries are imported by this command alone.
    from publisher.web_process import compose_web, listen, serve

    context = install_context(settings, "web")
    # The actors bind to the broker that is set by now.
    from actors.routes import tell_workers, waiting

    stop_on_signals(context.stopping)
    with (
        closing(context.telemetry.spans),
        listen(settings.web) as listening,
        compose_web(settings, context.telemetry, operator(None), waker(context), tell_workers, waiting) as process,
    ):
        port = listening.getsockname()[1]
        process.exporter.start(context.stopping)
        collect_garbage_seldom()
        served = settings.web.model_copy(update={"port": port})
        _log.info("the page is served", url=served.url, open_to_everybody=served.is_open)
        metrics_port = port if served.serves_metrics else 0
        # Changes stop between two batches while requests end.
        end_changes = partial(process.running.close, timedelta(0))
        try:
            with heartbeats(context.redis, "web", partial(read_system, context.database), metrics_port=metrics_port):
                asyncio.run(serve(process.application, listening, context.stopping, end_changes))
        finally:
            context.stopping.set()
    _log.info("the page is served no more")
