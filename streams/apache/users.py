"""The users of a broker with SCRAM: it keeps their salted passwords, and learns them once it runs."""

import time
from collections.abc import Mapping

from kafka import KafkaAdminClient
from kafka.admin import UserScramCredentialUpsertion
from kafka.errors import KafkaError

from streams.errors import BrokerError

__all__ = ["MECHANISMS", "register_users"]

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN_SECONDS = 30.0
_POLL_SECONDS = 0.1


def register_users(address: str, users: Mapping[str, str]) -> None:
    """Tell the broker the passwords of users by name; returns when it knows them. Raises BrokerError.

    address: HOST:PORT of a listener without access control.
    """
    deadline = time.monotonic() + _KNOWN_SECONDS
    try:
        with KafkaAdminClient(bootstrap_servers=address) as admin:
            for mechanism in MECHANISMS:  # a request may name a user but once
                changes = [
                    UserScramCredentialUpsertion(name, mechanism, word) for name, word in users.items()
                ]
                refused = [text for text in admin.alter_user_scram_credentials(changes).values() if text]
                if refused:
                    raise BrokerError(f"the broker at {address} refuses a user: {refused[0]}")
            while not _knows(admin, users):
                if time.monotonic() > deadline:
                    raise BrokerError(f"the broker at {address} does not learn its users")
                time.sleep(_POLL_SECONDS)
    except KafkaError as error:
        raise BrokerError(f"the broker at {address} takes no users: {type(error).__name__}") from error


def _knows(admin: KafkaAdminClient, users: Mapping[str, str]) -> bool:
    found = admin.describe_user_scram_credentials(list(users))
    return all(len(found[name]["credential_infos"]) == len(MECHANISMS) for name in users)
