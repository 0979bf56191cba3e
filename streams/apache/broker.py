"""An Apache Kafka of one node or several on loopback: a real broker for tests, and for who has no Docker.

Made for one machine: nodes talk to each other in the clear, and the heap is small. Data are kept where a
folder is given, and survive a crash of the broker as those of any Kafka; without one they go with it.
"""

import atexit
import base64
import json
import logging
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.apache.jars import KAFKA_VERSION, fetch_jars, find_java
from streams.apache.node import ClientSecurity, NodePorts, log4j_properties, node_name, node_properties
from streams.apache.users import register_users
from streams.errors import BrokerError
from streams.guarded import GuardedPrograms, is_running
from streams.loopback import HOST, answers, free_port, lasting_ports

__all__ = ["DEFAULT_HEAP_MB", "MAX_NODES", "ApacheBroker"]

DEFAULT_HEAP_MB = 512
MAX_NODES = 5
_START_SECONDS = 120.0  # a node alone takes five; three on a busy machine take far longer
_END_SECONDS = 20.0  # to write down what has to be; without a folder to keep nothing has
_PORT_ATTEMPTS = 3  # another process may take a port between our look and the broker's
_TAKEN = "Address already in use"  # as Java has it
_POLL_SECONDS = 0.1
_CLUSTER_FILE = "cluster.json"
# The client compiler only: a broker that lives for minutes or hours starts in half the time.
_QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_logger = logging.getLogger(__name__)


class ApacheBroker:
    """The broker as a context manager: it answers inside the block, and is gone after it.

        with ApacheBroker(nodes=3) as broker:
            settings = load_settings(kafka_bootstrap=broker.address, replication_factor=3)

    port: of the first node, the others take the ones that follow; 0 takes free ones. nodes: 1 to 5.
    data: a folder that is kept, and taken up again if it holds a cluster; None: a temporary one.
    cache_dir: where the jars are kept. heap_mb: of each node. properties: of the broker, beside or instead
    of ours. security: what clients are asked for; None: nothing.
    It stops with this process, even a killed one. Nodes are numbered from 1. Not for several threads.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        cache_dir: Path,
        nodes: int = 1,
        data: Path | None = None,
        heap_mb: int = DEFAULT_HEAP_MB,
        properties: Mapping[str, str] | None = None,
        security: ClientSecurity | None = None,
    ) -> None:
        if not 1 <= nodes <= MAX_NODES:
            raise ValueError(f"{nodes} nodes: 1 to {MAX_NODES}")
        self._wanted_port = port
        self._cache_dir = cache_dir
        self._data = None if data is None else data.absolute()
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._security = security
        self._numbers = range(1, nodes + 1)
        self._ports: list[NodePorts] = []
        self._pids: dict[int, int] = {}
        self._programs: GuardedPrograms | None = None
        self._java: list[str] = []

    @property
    def address(self) -> str:
        """HOST:PORT of each node, separated by commas, for `kafka_bootstrap`; empty before the start."""
        return ",".join(f"{HOST}:{ports.client}" for ports in self._ports)

    @property
    def pids(self) -> Mapping[int, int]:
        """The process of each node that was started and not stopped; it may have ended by itself."""
        return dict(self._pids)

    @property
    def folder(self) -> Path:
        """Where data, properties and logs of the nodes are while it runs. Raises BrokerError."""
        return self._running().folder

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start all nodes and return once they answer. Fetches the jars if they are not there yet.

        Raises BrokerError when Java, Maven or a port cannot be had, the folder holds something else, or the
        nodes do not answer within two minutes.
        """
        self._java = [find_java(), *_QUICK_START, "-cp", str(fetch_jars(self._cache_dir) / "*")]
        attempts = _PORT_ATTEMPTS if self._wanted_port == 0 else 1
        for attempt in range(1, attempts + 1):
            try:
                self._ports = self._find_ports()
                self._launch()
            except BaseException as error:
                self.stop()
                if not isinstance(error, BrokerError) or attempt == attempts or _TAKEN not in str(error):
                    raise
            else:
                break
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop all nodes; safe to call twice, and before the start."""
        atexit.unregister(self.stop)
        programs, self._programs = self._programs, None
        self._pids.clear()
        if programs is not None:
            programs.close()

    def kill(self, node: int) -> None:
        """End a node as a crash does, with SIGKILL."""
        self._stop_node(node, 0)

    def stop_node(self, node: int) -> None:
        """End a node in order; it can be started again."""
        self._stop_node(node, _END_SECONDS)

    def start_node(self, node: int, *, wait: bool = True) -> None:
        """Start a node again, on the same port and data. Raises BrokerError.

        wait: return once all nodes that run are in service. After a crash that takes as long as the others
        believe the node to be alive (`broker.session.timeout.ms`, 9 seconds).
        """
        self._pids[node] = self._running().run(
            node_name(node),
            [
                *self._java,
                *(f"-Xmx{self._heap_mb}m", "-Djava.awt.headless=true"),
                f"-Dlog4j2.configurationFile={node_name(node)}.log4j2.properties",
                *("kafka.Kafka", f"{node_name(node)}.properties"),
            ],
        )
        if wait:
            self._await_answer()

    def last_words(self, node: int) -> str:
        """The last that a node has said of what went wrong, in one line."""
        folder = self.folder
        log = folder / f"{node_name(node)}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        complaints = [line for line in lines if " ERROR " in line or " FATAL " in line]
        said = complaints[-1] if complaints else self._running().output(node_name(node))
        return said[:400] or "it said nothing"

    def ended(self) -> list[int]:
        """The nodes that have ended by themselves."""
        return [number for number, pid in self._pids.items() if not is_running(pid)]

    def _stop_node(self, node: int, seconds: float) -> None:
        self._running().stop(node_name(node), seconds)
        self._pids.pop(node, None)

    def _running(self) -> GuardedPrograms:
        if self._programs is None:
            raise BrokerError("Apache Kafka is not running")
        return self._programs

    def _find_ports(self) -> list[NodePorts]:
        count = len(self._numbers)
        ports = lasting_ports(3 * count)
        clients = ports[:count]
        if self._wanted_port != 0:
            clients = [free_port(self._wanted_port + number - 1) for number in self._numbers]
        return [
            NodePorts(*one) for one in zip(clients, ports[count : 2 * count], ports[2 * count :], strict=True)
        ]

    def _launch(self) -> None:
        if self._data is not None:
            self._data.mkdir(parents=True, exist_ok=True)
        self._programs = programs = GuardedPrograms(0 if self._data is None else _END_SECONDS, self._data)
        cluster = _cluster_id(programs.folder, len(self._numbers))
        for number in self._numbers:
            text = node_properties(number, self._ports, self._security, self._properties)
            _write_privately(programs.folder / f"{node_name(number)}.properties", text)
            (programs.folder / f"{node_name(number)}.log4j2.properties").write_text(log4j_properties(number))
        with ThreadPoolExecutor(len(self._numbers)) as pool:
            list(pool.map(lambda number: self._format(programs.folder, cluster, number), self._numbers))
        for number in self._numbers:
            self.start_node(number, wait=False)
        self._await_answer()
        if self._security is not None and self._security.users:
            register_users(self._internal(1), self._security.users)

    def _format(self, folder: Path, cluster: str, number: int) -> None:
        """Prepare a node's folder, unless it has been."""
        if (folder / node_name(number) / "meta.properties").exists():
            return
        done = subprocess.run(
            [
                *(*self._java, "-Dlog4j2.level=WARN", "kafka.tools.StorageTool", "format"),
                *("--cluster-id", cluster, "--config", f"{node_name(number)}.properties"),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BrokerError(f"the folder of a node cannot be prepared: {_last_line(done.stderr)}")

    def _await_answer(self) -> None:
        """Return when every node answers and knows of all that run."""
        deadline = time.monotonic() + _START_SECONDS
        waiting = list(self._pids)
        while waiting:
            if any(node in self.ended() for node in waiting):
                node = next(node for node in waiting if node in self.ended())
                raise BrokerError(f"{self._describe(node)} stopped at once: {self.last_words(node)}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self._describe(waiting[0])} does not answer after {_START_SECONDS:g} seconds:"
                    f" {self.last_words(waiting[0])}"
                )
            if answers(self._internal(waiting[0]), nodes=len(self._pids)):
                waiting.pop(0)
            else:
                time.sleep(_POLL_SECONDS)

    def _internal(self, node: int) -> str:
        return f"{HOST}:{self._ports[node - 1].internal}"

    def _describe(self, node: int) -> str:
        return f"node {node} of Apache Kafka {KAFKA_VERSION} on {HOST}:{self._ports[node - 1].client}"


def _cluster_id(folder: Path, nodes: int) -> str:
    """The id of the cluster in a folder; a new one for an empty folder. Raises BrokerError."""
    path = folder / _CLUSTER_FILE
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            found, cluster = int(known["nodes"]), str(known["cluster_id"])
        except (ValueError, KeyError, TypeError):
            raise BrokerError(f"{path} cannot be read: is it ours?") from None
        if found != nodes:
            raise BrokerError(f"{folder} holds a cluster of {found} nodes, not {nodes}")
        return cluster
    if any(folder.iterdir()):
        raise BrokerError(f"{folder} is not empty, and holds no cluster of ours")
    # Kafka wants 16 bytes in base64; one that began with a dash would be taken for an option.
    cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    path.write_text(json.dumps({"cluster_id": cluster, "nodes": nodes, "kafka": KAFKA_VERSION}))
    return cluster


def _write_privately(path: Path, text: str) -> None:
    """For the owner's eyes: passwords may be in it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines() or ["it said nothing"]
    return lines[-1][:400]
