"""Why a broker cannot be reached: one connection, made only to learn what is wrong.

kafka-python tries again until its time is over, and says no more than that it is over. aiokafka, which Faust
brings along, raises what happened to a single connection. Imported only when it is needed.
"""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    UnsupportedSaslMechanismError,
)

from streams.connection import tls_context
from streams.settings_fields import Settings

__all__ = ["explain_silence"]

_SECONDS = 3.0


def explain_silence(settings: Settings) -> str | None:
    """What the broker's first address objects to, in some words; None if it is only that nobody answers.

    Quotes no password.
    """
    address = settings.kafka_bootstrap.split(",")[0]
    with ThreadPoolExecutor(1) as pool:  # this thread may have a loop of its own
        return pool.submit(asyncio.run, _look(settings, address)).result()


async def _look(settings: Settings, address: str) -> str | None:
    host, _, port = address.rpartition(":")
    password = settings.kafka_sasl_password
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await create_conn(
                host.strip("[]"),
                int(port),
                client_id=settings.app_id,
                security_protocol=settings.kafka_security_protocol,
                ssl_context=tls_context(settings),
                sasl_mechanism=settings.kafka_sasl_mechanism,
                sasl_plain_username=settings.kafka_sasl_username,
                sasl_plain_password=None if password is None else password.get_secret_value(),
            )
        connection.close()
    except (KafkaError, OSError) as error:
        return _in_words(error, settings)
    return None


def _in_words(error: Exception, settings: Settings) -> str | None:
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    match error:
        case ssl.SSLCertVerificationError():
            words = f"its certificate is not accepted ({error.verify_message}): is kafka_ssl_cafile right?"
        case ssl.SSLError():
            words = f"TLS fails ({error.reason}): are kafka_security_protocol and kafka_ssl_* right?"
        case UnsupportedSaslMechanismError():
            words = f"it does not know kafka_sasl_mechanism {mechanism}"
        case AuthenticationFailedError() | BrokerResponseError():
            words = f"it refuses the user {settings.kafka_sasl_username} or the password ({mechanism})"
        case KafkaConnectionError():
            words = f"it hangs up: is kafka_security_protocol {protocol} right?"
        case _:  # nobody there, or somebody of another kind
            return None
    return words
