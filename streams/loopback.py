"""Ports of this machine for brokers to listen on, and whether something answers there."""

import errno
import secrets
import socket

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.errors import BrokerError

__all__ = ["HOST", "answers", "free_port", "lasting_ports"]

HOST = "127.0.0.1"  # never reachable from outside

# Below the ports that systems give to outgoing connections. While a node is down its port must not go to one
# of those: a client that tries again and again would even end up connected to itself.
_LASTING_PORTS = range(20_000, 30_000)
_ATTEMPTS = 1_000


def free_port(wanted: int = 0) -> int:
    """`wanted`, or a free port for 0. Raises BrokerError when it cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may linger
        try:
            probe.bind((HOST, wanted))
        except OverflowError:
            raise BrokerError(f"{wanted} is no port: 0 to 65535") from None
        except OSError as error:
            raise BrokerError(f"port {wanted} of {HOST} cannot be used: {error.strerror}") from None
        port: int = probe.getsockname()[1]
        return port


def lasting_ports(count: int) -> list[int]:
    """Different free ports that stay free for the same program after a restart. Raises BrokerError."""
    found: set[int] = set()
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return list(found)
        port = secrets.choice(_LASTING_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise BrokerError(f"port {port} of {HOST} cannot be used: {error.strerror}") from None
            else:
                found.add(port)
    raise BrokerError(f"no free ports from {_LASTING_PORTS.start} to {_LASTING_PORTS.stop - 1} of {HOST}")


def answers(address: str, *, nodes: int = 1) -> bool:
    """Whether a broker without access control answers at HOST:PORT, with so many nodes or more in service."""
    host, _, port = address.rpartition(":")
    try:
        # Cheap until something listens; only then is it asked in Kafka's own words.
        socket.create_connection((host, int(port)), timeout=0.2).close()
        with KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=2_000) as admin:
            return nodes == 1 or len(admin.describe_cluster()["brokers"]) >= nodes
    except (OSError, KafkaError):
        return False
