"""`narrawatch demo --full`: the demo with all that follows from a narrative, on one machine.

Beside the worker run Prometheus with the rules, Alertmanager, `narrawatch notify --listen`, and a receiver
that prints each notification as it comes; and the web page, where there is one. Everything is on loopback, on
ports that were free.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import msgspec
from rich.console import Console
from rich.text import Text

from streams.alerts.render import rule_documents
from streams.cli import COMMANDS
from streams.commands.visible import visible
from streams.demo import Settle, Stage
from streams.demo_process import demo_process
from streams.errors import BrokerError
from streams.loopback import HOST
from streams.monitoring import Monitoring, alertmanager_routes, missing_programs
from streams.notify.notification import Notification

__all__ = ["full_chain", "require_programs"]

_READY_SECONDS = 60.0
_QUIET_SECONDS = 6.0  # nothing new for so long: all has been told
_SETTLE_SECONDS = 45.0
_POLL_SECONDS = 0.2
_MAX_BODY_BYTES = 1_000_000
_QUOTE_CHARACTERS = 110
# The sample is of the past, and five days of it pass in two minutes: nothing of it would be news.
_ALWAYS_NEWS_SECONDS = 315_360_000
_NOTIFY_READY = "narrawatch notify ready: alerts "
_WEB_READY = "narrawatch web at "

_decoder = msgspec.json.Decoder(Notification)


def require_programs() -> None:
    """Raise BrokerError unless Prometheus and Alertmanager are on the path."""
    missing = missing_programs()
    if missing:
        raise BrokerError(
            f"--full needs {' and '.join(missing)} on the PATH: on Debian, apt-get install prometheus"
            " prometheus-alertmanager (and stop the services that this starts)"
        )


@contextmanager
def full_chain(stage: Stage) -> Iterator[Settle]:
    """A companion of the demo, see `streams.demo`.  Raises BrokerError when a part cannot be had."""
    require_programs()
    console = stage.console
    with ExitStack() as stack:
        receiver = stack.enter_context(_Receiver(console))
        settings = stage.settings.model_copy(
            update={"alert_for_seconds": 0, "alert_emerged_seconds": _ALWAYS_NEWS_SECONDS}
        )
        if "web" in COMMANDS:
            web_url = stack.enter_context(
                demo_process(
                    settings, stage.scratch, "web", "--port", "0", ready=_WEB_READY, seconds=_READY_SECONDS
                )
            )
            settings = settings.model_copy(update={"web_url": web_url.rstrip("/")})
            console.print(f"web page at {web_url}")
        bridge_url = stack.enter_context(_bridge(stage, receiver.url)).split()[0]
        monitoring = stack.enter_context(
            Monitoring(
                targets={"narrawatch": [urlsplit(stage.metrics_url).netloc]},
                rules=rule_documents(settings),
                alertmanager=alertmanager_routes(bridge_url),
            )
        )
        console.print(f"Prometheus at {monitoring.prometheus_url}, its alerts at /alerts")
        console.print(f"Alertmanager at {monitoring.alertmanager_url}")
        console.print(f"a webhook at {receiver.url} prints each notification")
        yield receiver.settle
        console.print(f"notifications: {receiver.count}, with quotes: {receiver.quoted}")


@contextmanager
def _bridge(stage: Stage, receiver_url: str) -> Iterator[str]:
    config = stage.scratch / "notify.toml"
    config.write_text(
        "notify_allow_private = true\nnotify_listen_port = 0\nnotify_metrics_port = 0\n"
        f'[[notify]]\nname = "demo"\nurl = "{receiver_url}"\n',
        encoding="utf-8",
    )
    arguments = ("--listen", "--config", str(config))
    with demo_process(
        stage.settings, stage.scratch, "notify", *arguments, ready=_NOTIFY_READY, seconds=_READY_SECONDS
    ) as rest:
        yield rest


class _Receiver:
    """A webhook that prints what it gets; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()
        self.count = self.quoted = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                if length > _MAX_BODY_BYTES:
                    self.send_error(413)
                    return
                try:
                    receiver.take(_decoder.decode(self.rfile.read(length)))
                except msgspec.DecodeError as error:
                    self.send_error(400, str(error).splitlines()[0])
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: what comes is printed."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}/"

    def __enter__(self) -> "_Receiver":
        Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, said: Notification) -> None:
        """Show a notification."""
        self._last = time.monotonic()
        self.count += 1
        self.quoted += said.narrative is not None and bool(said.narrative.quotes)
        print_notification(self._console, said)

    def settle(self) -> None:
        """Return when nothing has come for a while."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        self._last = time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - self._last < _QUIET_SECONDS:
            time.sleep(_POLL_SECONDS)


def print_notification(console: Console, said: Notification) -> None:
    """The notification as text: nothing in it is taken for markup, or obeyed by a terminal."""
    console.print(Text.assemble(("  webhook         ", "dim"), (visible(said.title, 160), "bold green")))
    console.print(Text(f"                  {visible(said.text, 400)}", "dim"))
    for quote in said.narrative.quotes[:1] if said.narrative is not None else ():
        console.print(Text(f"                  « {visible(quote.text, _QUOTE_CHARACTERS)} »", "italic"))
