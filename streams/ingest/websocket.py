"""Websockets for connectors, with the care that the polite client takes of requests.

To public addresses only unless the settings allow others, certificates verified, no proxy, nothing from the
environment, messages of a bounded size.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx

from streams.errors import FailureReason, ForbiddenAddressError, SourceError
from streams.ingest.source import Context
from streams.polite.connection import PRIVATE_SETTING
from streams.public_address import check_public

__all__ = ["opened"]

_OPEN_SECONDS = 30.0
_HEARTBEAT_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_MAX_MESSAGE_BYTES = 1_000_000
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@asynccontextmanager
async def opened(url: str, context: Context) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """An open websocket, for the block. url: http or https.

    Raises SourceError when it cannot be opened; what happens later is up to the block.
    """

    def checked(info: Any) -> socket.socket:
        # Called with each address that is about to be connected to, those that stand in the url among them.
        if not context.allow_private:
            check_public([str(info[4][0])], PRIVATE_SETTING)
        return socket.socket(info[0], info[1], info[2])

    connector = aiohttp.TCPConnector(
        ssl=httpx.create_ssl_context(), socket_factory=checked, use_dns_cache=False
    )
    headers = {"User-Agent": context.http.user_agent}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        stream = await _open(session, f"ws{url.removeprefix('http')}")
        async with stream:
            yield stream


async def _open(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            return await session.ws_connect(
                url,
                heartbeat=_HEARTBEAT_SECONDS,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
                max_msg_size=_MAX_MESSAGE_BYTES,
            )
    except TimeoutError:
        raise SourceError(FailureReason.TIMEOUT, "the stream does not open in time") from None
    except ForbiddenAddressError as error:
        raise SourceError(FailureReason.FORBIDDEN_ADDRESS, str(error)) from None
    except aiohttp.WSServerHandshakeError as error:
        reason = FailureReason.BUSY if error.status in _BUSY else FailureReason.REFUSED
        detail = f"the stream is refused with status {error.status}"
        raise SourceError(reason, detail, status=error.status) from None
    except aiohttp.ClientError as error:
        detail = f"no connection to the stream ({type(error).__name__})"
        raise SourceError(FailureReason.UNREACHABLE, detail) from None
