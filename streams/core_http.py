"""Requests and errors between httpx, which our clients speak, and httpcore, whose connections we check.

For transports of our own: `streams.notify.guarded_transport` and `streams.polite.connection`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

__all__ = ["core_url", "translated_errors"]


def core_url(url: httpx.URL) -> httpcore.URL:
    """The same address."""
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@contextmanager
def translated_errors() -> Iterator[None]:
    """What httpcore raises, as what users of httpx expect."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error)) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise httpx.TransportError(str(error)) from None
