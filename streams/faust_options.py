"""How Faust reaches the broker: the settings that `faust.App` takes, from ours.

Apart from `streams.connection`, because importing Faust takes longer than most commands run.
"""

from typing import Any

from faust.auth import SASLCredentials, SSLCredentials

from streams.connection import COMPRESSION, tls_context
from streams.records import MAX_LETTER_BYTES
from streams.settings_fields import Settings

__all__ = ["faust_options"]


def faust_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `faust.App` that concern the broker: address, security, producer, time limits.

    Raises SettingsError when a certificate cannot be loaded.
    """
    options: dict[str, Any] = {
        "broker": [f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        "broker_credentials": _credentials(settings),
        "producer_acks": -1,
        "producer_max_request_size": MAX_LETTER_BYTES,
    }
    return options | (_EMBEDDED if settings.kafka_embedded else _PRODUCTION)


# How long a worker that was killed is believed to be alive: for so long its partitions stand still, also when
# it is back at once. Heartbeats come from a thread of their own, which a long computation does not hold up.
_MEMBERSHIP: dict[str, Any] = {
    "broker_session_timeout": 10.0,
    "broker_heartbeat_interval": 2.0,
    # Who puts claims in order asks where the group is, so as not to wait for what is empty.
    "broker_commit_interval": 1.0,
}
# The embedded broker counts a batch as one record when it is asked for the end of a partition, which breaks
# lag and table recovery; a batch of one byte holds one record.
_EMBEDDED: dict[str, Any] = _MEMBERSHIP | {
    "producer_max_batch_size": 1,
    "broker_rebalance_timeout": 10.0,
}
_PRODUCTION: dict[str, Any] = _MEMBERSHIP | {
    "producer_compression_type": COMPRESSION,
    "producer_linger": 0.005,
    # One batch is on its way to a partition at a time: the default, 16 KiB, makes a dozen round trips of the
    # claims of one batch of comments.
    "producer_max_batch_size": 512 * 1024,
    # A broker that restarts is waited for; the default, 20 minutes, would hide one that is gone.
    "producer_request_timeout": 300.0,
    "broker_request_timeout": 90.0,  # must be longer than the session
}


def _credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    context = tls_context(settings)
    if settings.kafka_sasl_password is not None and settings.kafka_security_protocol.startswith("SASL_"):
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)
