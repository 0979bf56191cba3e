"""Signs what is sent, so that a receiver knows who sent it, and that it was not sent before.

Two headers: `X-Narrawatch-Timestamp`, seconds since the epoch, and `X-Narrawatch-Signature`, `v1=` and the
hexadecimal HMAC-SHA256 of the timestamp, a dot and the body, under the secret of the receiver. A receiver
computes the same, compares in constant time, refuses a timestamp that is more than five minutes off (whoever
recorded a request cannot send it later), and takes each `Idempotency-Key` once within that time. `verified`
does the first three.
"""

import hashlib
import hmac

__all__ = ["SIGNATURE_HEADER", "TIMESTAMP_HEADER", "TOLERANCE_SECONDS", "signature_headers", "verified"]

TIMESTAMP_HEADER = "X-Narrawatch-Timestamp"
SIGNATURE_HEADER = "X-Narrawatch-Signature"
TOLERANCE_SECONDS = 300


def signature_headers(secret: str, body: bytes, *, now: float) -> dict[str, str]:
    """The two headers. now: seconds since the epoch, of this attempt."""
    timestamp = str(int(now))
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"v1={_digest(secret, timestamp, body)}"}


def verified(secret: str, timestamp: str, signature: str, body: bytes, *, now: float) -> bool:
    """Whether who sent this knows the secret, and sent it just now. For receivers that are written in Python.

    timestamp, signature: the values of the headers; now: seconds since the epoch.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    wanted = f"v1={_digest(secret, timestamp, body)}"
    return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
