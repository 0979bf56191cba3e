"""What the nodes of a small Kafka cluster on loopback are told: their properties as plain text.

Each node is broker and controller (KRaft). Clients come in through the listener CLIENT; nodes talk to each
other in the clear on listeners of their own, which never leave this machine.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.apache.users import MECHANISMS
from streams.loopback import HOST

__all__ = ["ClientSecurity", "NodePorts", "log4j_properties", "node_name", "node_properties"]

_LISTENERS = ("CLIENT", "INTERNAL", "CONTROLLER")


class NodePorts(NamedTuple):
    """Where a node listens."""

    client: int
    internal: int
    controller: int


class ClientSecurity(NamedTuple):
    """What clients are asked for.

    protocol: SSL, SASL_PLAINTEXT or SASL_SSL. users: by name, with their passwords; they may use PLAIN and
    SCRAM. key_file: PEM with the node's private key (PKCS 8) and its certificates; ca_file: PEM of
    the authorities that client certificates are checked against; if there is one, clients must show one.
    """

    protocol: str
    users: Mapping[str, str] = {}
    key_file: Path | None = None
    ca_file: Path | None = None


def node_name(number: int) -> str:
    """What a node's folder is called, and its files begin with."""
    return f"node-{number}"


def node_properties(
    number: int,
    ports: Sequence[NodePorts],
    security: ClientSecurity | None,
    extra: Mapping[str, str],
) -> str:
    """The file of properties of node `number` (from 1) of `len(ports)`.

    Its data go to a folder of its name where it is started. extra: properties that join the others or take
    their place.
    """
    own = ports[number - 1]
    copies = min(len(ports), 3)
    safe = max(1, copies - 1)
    listeners = [f"{name}://{HOST}:{port}" for name, port in zip(_LISTENERS, own, strict=True)]
    voters = ",".join(f"{n}@{HOST}:{one.controller}" for n, one in enumerate(ports, start=1))
    client = "PLAINTEXT" if security is None else security.protocol
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(listeners[:2]),  # the third is for controllers alone
        "listener.security.protocol.map": f"CLIENT:{client},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": node_name(number),
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(safe),
        # Topics that Kafka keeps for itself. Partitions by the dozen only pay on a large cluster.
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.num.partitions": "8",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(safe),
        "share.coordinator.state.topic.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(safe),
        "group.initial.rebalance.delay.ms": "0",  # nobody has to wait for other members to come
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # of the heap; enough for 600,000 keys
    }
    if security is not None:
        properties |= _security_properties(security)
    return "".join(f"{key}={_escaped(value)}\n" for key, value in (properties | dict(extra)).items())


def _security_properties(security: ClientSecurity) -> dict[str, str]:
    properties: dict[str, str] = {}
    if security.users:
        users = " ".join(f'user_{name}="{_quoted(word)}"' for name, word in security.users.items())
        module = "org.apache.kafka.common.security"
        prefix = "listener.name.client"
        properties |= {
            "sasl.enabled.mechanisms": ",".join(["PLAIN", *MECHANISMS]),
            f"{prefix}.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {users};",
        }
        for mechanism in MECHANISMS:
            name = f"{prefix}.{mechanism.lower()}.sasl.jaas.config"
            properties[name] = f"{module}.scram.ScramLoginModule required;"
    if security.key_file is not None:
        properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(security.key_file)}
    if security.ca_file is not None:
        properties |= {
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(security.ca_file),
            "ssl.client.auth": "required",
        }
    return properties


def log4j_properties(number: int) -> str:
    """Where a node logs: to a file of its name where it is started, 20 MB at most."""
    path = f"{node_name(number)}.log"
    return f"""appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {path}
appender.file.filePattern = {path}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m (%c)%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
"""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _escaped(value: str) -> str:
    """As a value in a file of Java properties, which has the same escapes as JSON."""
    return json.dumps(value)[1:-1]
