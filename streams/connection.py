"""How clients outside Faust reach the broker: one place for addresses, security and time limits.

`streams.faust_options` says the same to Faust. Nothing here opens a connection but `ask_admin` and
`open_consumer`.
"""

import importlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError, KafkaTimeoutError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from streams.errors import BrokerError, SettingsError
from streams.records import MAX_LETTER_BYTES
from streams.settings_fields import Settings

__all__ = [
    "COMPRESSION",
    "CONNECT_TIMEOUT_SECONDS",
    "ask_admin",
    "async_client_options",
    "clear_broker_errors",
    "client_options",
    "open_consumer",
    "producer_options",
    "tls_context",
]

COMPRESSION = "zstd"
CONNECT_TIMEOUT_SECONDS = 10.0  # a person waits for this; a broker that is up answers within one
_REQUEST_TIMEOUT_MS = 10_000
_DELIVERY_TIMEOUT_MS = 30_000
_BATCH_BYTES = 64 * 1024
_LINGER_MS = 5
_ASK_AGAIN_SECONDS = 0.3

T = TypeVar("T")


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS settings as both kinds of client take them; None without TLS.

    Raises SettingsError when a certificate or key cannot be loaded.
    """
    if "SSL" not in settings.kafka_security_protocol:
        return None
    password = settings.kafka_ssl_key_password
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            context.load_cert_chain(
                settings.kafka_ssl_certfile,
                settings.kafka_ssl_keyfile,
                # Never None: OpenSSL would ask for it on the terminal.
                password="" if password is None else password.get_secret_value(),
            )
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"kafka_ssl_*: cannot load the certificates: {error}") from None
    return context


def client_options(settings: Settings) -> dict[str, Any]:
    """What every kafka-python client is told: where the broker is, and who we are."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "client_id": settings.app_id,
        "security_protocol": settings.kafka_security_protocol,
        "bootstrap_timeout_ms": CONNECT_TIMEOUT_SECONDS * 1000,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
    }
    context = tls_context(settings)
    if context is not None:
        options["ssl_context"] = context
    return options | _sasl_options(settings)


def async_client_options(settings: Settings) -> dict[str, Any]:
    """What a client of aiokafka is told, for what kafka-python does not do: see `streams.state_store`."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "client_id": settings.app_id,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        "ssl_context": tls_context(settings),
    }
    return options | _sasl_options(settings)


def _sasl_options(settings: Settings) -> dict[str, str | None]:
    """User and password, as kafka-python and aiokafka alike name them; nothing without SASL."""
    if settings.kafka_sasl_password is None or not settings.kafka_security_protocol.startswith("SASL_"):
        return {}
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }


def producer_options(settings: Settings) -> dict[str, Any]:
    """For KafkaProducer: acknowledged by all replicas, in order, compressed, failed within 30 seconds.

    The embedded broker counts a batch of records as one when it is asked for the end of a partition: lag and
    Faust's table recovery would go wrong. `batch_size` 0 makes batches of one record, which costs
    throughput (about 1,000 records a second) and is never set for a real broker.
    """
    return client_options(settings) | {
        "acks": "all",
        # kafka-python's idempotent mode never gives a record up when the broker goes away (3.0.12): neither
        # error nor end. One request at a time keeps the order, too; a retry may double a record, which the
        # reader counts once.
        "enable_idempotence": False,
        "max_in_flight_requests_per_connection": 1,
        "compression_type": None if settings.kafka_embedded else COMPRESSION,
        "batch_size": 0 if settings.kafka_embedded else _BATCH_BYTES,
        "linger_ms": 0 if settings.kafka_embedded else _LINGER_MS,
        "max_request_size": MAX_LETTER_BYTES,
        "max_block_ms": CONNECT_TIMEOUT_SECONDS * 1000,
        "delivery_timeout_ms": _DELIVERY_TIMEOUT_MS,
        # A topic made by accident would have the broker's partitions, not ours.
        "allow_auto_create_topics": False,
    }


@contextmanager
def clear_broker_errors(settings: Settings) -> Iterator[None]:
    """Turn what Kafka clients raise inside the block into a BrokerError of one line."""
    try:
        yield
    except KafkaTimeoutError as error:
        # On demand: it costs half a second to import.
        explain_silence = importlib.import_module("streams.connection_check").explain_silence
        reason = explain_silence(settings)
        if reason is not None:
            raise BrokerError(
                f"the Kafka broker at {settings.kafka_bootstrap} cannot be used: {reason}"
            ) from error
        raise BrokerError(
            f"the Kafka broker at {settings.kafka_bootstrap} does not answer:"
            " is it running, and do the kafka_* settings of security match?"
        ) from error
    except KafkaError as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise BrokerError(
            f"the Kafka broker at {settings.kafka_bootstrap} cannot be used: {detail}"
        ) from error


def ask_admin(settings: Settings, ask: Callable[[KafkaAdminClient], T]) -> T:
    """What `ask` returns, which is given an admin client and may be called more than once.

    The client does not go on to another node when the one that it picked is down; asked again, it does.
    Raises BrokerError, at the latest after CONNECT_TIMEOUT_SECONDS to connect and as many to ask.
    """
    with clear_broker_errors(settings), KafkaAdminClient(**client_options(settings)) as admin:
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_delay(CONNECT_TIMEOUT_SECONDS),
            wait=wait_fixed(_ASK_AGAIN_SECONDS),
            reraise=True,
        )
        return retrying(ask, admin)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, KafkaError) and error.retriable and not isinstance(error, KafkaTimeoutError)


@contextmanager
def open_consumer(settings: Settings, **options: Any) -> Iterator[KafkaConsumer]:
    """A consumer that joins no group unless `options` say so. Raises BrokerError like `ask_admin`."""
    configuration = client_options(settings) | {"group_id": None, "enable_auto_commit": False} | options
    with clear_broker_errors(settings):
        consumer = KafkaConsumer(**configuration)
        try:
            yield consumer
        finally:
            consumer.close(autocommit=False)
