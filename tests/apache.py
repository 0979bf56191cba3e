"""Apache Kafka for tests: what they need of the system, and settings that make a broker quick to test."""

import functools
import os
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams.apache.jars import fetch_jars, find_java
from streams.errors import BrokerError

__all__ = [
    "QUICK_COMPACTION",
    "QUICK_RESTART",
    "Certificates",
    "make_certificates",
    "require_apache",
    "what_is_missing",
]

QUICK_RESTART: Final = {
    # How long a killed node is believed to be alive: for so long it cannot come back.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
QUICK_COMPACTION: Final = {
    # Segments are closed, and those of compacted topics cleaned, within a second or two.
    "log.roll.ms": "500",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.min.cleanable.ratio": "0.01",
    "log.cleaner.delete.retention.ms": "100",
}


def require_apache(cache_dir: Path) -> None:
    """Skip the test where Apache Kafka cannot be had, and say why; with CI=true that is a failure."""
    reason = what_is_missing(cache_dir)
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@functools.cache
def what_is_missing(cache_dir: Path) -> str | None:
    """Why Apache Kafka cannot be had; None if it can. Fetches it, once in a run."""
    try:
        find_java()
        fetch_jars(cache_dir)
    except BrokerError as error:
        return str(error)
    return None


class Certificates(NamedTuple):
    """PEM files: of the authority, of a broker on loopback (key and certificate), of one of its clients."""

    ca: Path
    server: Path
    client_certificate: Path
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """An authority of its own, and what it has issued."""
    files = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    client = authority.issue_cert("worker@example.org")
    authority.cert_pem.write_to_path(files.ca)
    # Java reads keys in PKCS 8 alone.
    key = load_pem_private_key(server.private_key_pem.bytes(), None)
    files.server.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for certificate in server.cert_chain_pems:
        certificate.write_to_path(files.server, append=True)
    for certificate in client.cert_chain_pems:
        certificate.write_to_path(files.client_certificate, append=True)
    client.private_key_pem.write_to_path(files.client_key)
    return files
