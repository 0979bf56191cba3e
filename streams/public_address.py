"""Whether an address is one of the open internet, and connections that go nowhere else.

An address may be typed by somebody who should not reach this host, its network or the metadata service of
its cloud, or a redirect may lead there. A name is resolved once, at the moment of connecting; every address
that comes of it is checked, and the connection goes to one of those that were checked: a name that answers
otherwise the second time gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence

from streams.errors import ForbiddenAddressError

__all__ = ["Resolve", "check_public", "connect_checked", "is_public", "resolve"]

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


def check_public(addresses: Sequence[str], setting: str) -> None:
    """Raise ForbiddenAddressError unless all are public. setting: what would allow it."""
    if not all(map(is_public, addresses)):
        raise ForbiddenAddressError(f"it is at a private address, and {setting} is not set")


async def connect_checked(
    host: str, port: int, *, allow_private: bool, setting: str, resolve: Resolve = resolve
) -> socket.socket:
    """A connected TCP socket that does not block, for clients that take one, such as those of websockets.

    Raises OSError when no address can be reached, ForbiddenAddressError.
    """
    addresses = await asyncio.to_thread(resolve, host, port)
    if not allow_private:
        check_public(addresses, setting)
    failure = OSError("no address")
    for address in addresses:
        connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        connected.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connected, (address, port))
        except OSError as error:
            connected.close()
            failure = error
        except asyncio.CancelledError:
            connected.close()
            raise
        else:
            return connected
    raise failure
