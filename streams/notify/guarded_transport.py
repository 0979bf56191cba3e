"""The way to a webhook that does not lead inside: private addresses are refused at the moment of connecting.

What is private, and why the connection goes to an address that was checked: `streams.public_address`.
"""

from collections.abc import Iterable

import httpcore
import httpx

from streams.core_http import core_url, translated_errors
from streams.public_address import Resolve, check_public, resolve

__all__ = ["GuardedTransport"]


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects by checked addresses; the name is still what a certificate is held against."""

    def __init__(self, *, allow_private: bool, resolve: Resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore.  Raises ForbiddenAddressError."""
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.strerror}") from None
        if not self._allow_private:
            check_public(addresses, "notify_allow_private")
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class GuardedTransport(httpx.BaseTransport):
    """A transport for httpx.Client. Answers have status and headers, and no body: nobody needs it.

    resolve: how names become addresses, for tests. May be used by several threads.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = resolve) -> None:
        backend = _GuardedBackend(allow_private=allow_private, resolve=resolve)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=backend,
            # An answer that is not read to its end cannot be followed by another.
            max_keepalive_connections=0,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.  Raises httpx.TransportError, ForbiddenAddressError."""
        with translated_errors():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method.encode(),
                    url=core_url(request.url),
                    headers=request.headers.raw,
                    content=request.read(),
                    extensions=request.extensions,
                )
            )
            answer.close()
        return httpx.Response(answer.status, headers=answer.headers)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
