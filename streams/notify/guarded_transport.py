"""The way to a webhook that does not lead inside: private addresses are refused at the moment of connecting.

An address of a webhook may be typed by somebody who should not reach this host, its network or the metadata
service of its cloud. Its name is resolved here, once; every address that comes of it is checked, and the
connection goes to one of those that were checked: a name that answers otherwise the second time gains
nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import httpcore
import httpx

from streams.errors import ForbiddenAddressError

__all__ = ["GuardedTransport", "Resolve", "is_public", "resolve"]

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to addresses. Raises OSError."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by its number, and yet a service of the machine's own cloud.
_SPECIAL = frozenset({ipaddress.ip_address("168.63.129.16")})


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, without repetitions, in the system's order.  Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet. One that wraps another is judged by that."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return ip.is_global and not ip.is_multicast and ip not in _SPECIAL


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
        if not self._allow_private and not all(map(is_public, addresses)):
            raise ForbiddenAddressError("it is at a private address, and notify_allow_private is not set")
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
        with _translated():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method.encode(),
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
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


@contextmanager
def _translated() -> Iterator[None]:
    """What httpcore raises, as what users of httpx expect."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error)) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise httpx.TransportError(str(error)) from None
