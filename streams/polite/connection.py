"""Connections of the polite client: to public addresses only, certificates verified, no proxy.

`streams.public_address` says why addresses are checked at the moment of connecting.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import httpcore
import httpx

from streams.core_http import core_url, translated_errors
from streams.public_address import Resolve, check_public, resolve

__all__ = ["PRIVATE_SETTING", "PublicTransport"]

PRIVATE_SETTING: Final = "ingest_allow_private"
_IDLE_SECONDS = 30.0  # most servers close earlier or not much later


class _PublicBackend(httpcore.AsyncNetworkBackend):
    """Connects by checked addresses; the name is still what a certificate is held against."""

    def __init__(self, *, allow_private: bool, resolve: Resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is that of httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore.  Raises ForbiddenAddressError."""
        try:
            addresses = await asyncio.to_thread(self._resolve, host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.strerror}") from None
        except UnicodeError:  # a label that is empty or too long
            raise httpcore.ConnectError("the name cannot be resolved") from None
        if not self._allow_private:
            check_public(addresses, PRIVATE_SETTING)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """See httpcore."""
        await asyncio.sleep(seconds)


class PublicTransport(httpx.AsyncBaseTransport):
    """A transport for httpx.AsyncClient. resolve: how names become addresses, for tests."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=_PublicBackend(allow_private=allow_private, resolve=resolve),
            max_connections=100,
            keepalive_expiry=_IDLE_SECONDS,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.  Raises httpx.TransportError, ForbiddenAddressError."""
        with translated_errors():
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=core_url(request.url),
                    headers=request.headers.raw,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Stream(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with translated_errors():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()
