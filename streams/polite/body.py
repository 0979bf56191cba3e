"""The body of an answer, up to a limit that holds for what is packed and for what comes out of it.

httpx unpacks whatever arrives at once: 64 KiB on the wire can become 64 MiB before anybody counts. So the
bytes are taken as they come and unpacked here, never more of them than are still allowed.
"""

import zlib
from typing import Final

import httpx

from streams.errors import FailureReason, SourceError

__all__ = ["ACCEPT_ENCODING", "read_body"]

ACCEPT_ENCODING: Final = "gzip, deflate"
_WINDOW_BITS: Final = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
}


async def read_body(answer: httpx.Response, max_bytes: int) -> bytes:
    """All of the body, unpacked.

    Raises SourceError TOO_LARGE beyond `max_bytes`, MALFORMED for a packing that is not known, wrong or cut
    off, and what httpx raises.
    """
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        return await _read_plain(answer, max_bytes)
    if coding not in _WINDOW_BITS:
        raise SourceError(FailureReason.MALFORMED, "the answer is packed in a way that was not asked for")
    try:
        return await _read_packed(answer, max_bytes, _WINDOW_BITS[coding])
    except zlib.error:
        raise SourceError(
            FailureReason.MALFORMED, f"the answer is not {coding}, which it says it is"
        ) from None


async def _read_plain(answer: httpx.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


async def _read_packed(answer: httpx.Response, max_bytes: int, window_bits: int) -> bytes:
    body, taken = bytearray(), 0
    unpacking = zlib.decompressobj(window_bits)
    async for part in answer.aiter_raw():
        taken += len(part)
        body += unpacking.decompress(part, max_bytes + 1 - len(body))
        if len(body) > max_bytes or taken > max_bytes:
            raise _too_large(max_bytes)
    if taken and not unpacking.eof:
        raise SourceError(FailureReason.MALFORMED, "the packed answer ends too early")
    return bytes(body)


def _too_large(max_bytes: int) -> SourceError:
    return SourceError(FailureReason.TOO_LARGE, f"an answer of more than {max_bytes} bytes")
