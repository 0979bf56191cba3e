"""Who may ask, and what a browser may do with the answer.

Around the whole application, as plain ASGI: answers that stream go through untouched.

* On loopback only names of this machine are answered (and the one of `web_url`): a page of somebody else
  whose host name was made to point here (DNS rebinding) gets nothing.
* With a token everything but /health and /ready wants it: as bearer, as the password of basic authentication,
  or once as `?token=`, which is exchanged for a cookie and taken out of the address.
* Requests that other sites' pages make in the background are refused.
* Every answer carries a policy that lets a page load nothing but our own style, script and data.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.errors import SettingsError
from streams.settings_fields import Settings

__all__ = ["Gate", "check_exposure", "is_loopback"]

COOKIE: Final = "narrawatch_access"
_OPEN_PATHS: Final = ("/health", "/ready")
_COOKIE_SECONDS: Final = 30 * 86_400
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A cookie that only our own pages send does not come along when a reader follows a link from a mail or a
# chat. This page asks once more; then it is our own page that asks.
_ONCE_MORE: Final = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>narrawatch</title>'
)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Raises SettingsError when others could read the page without a token."""
    if settings.web_token is None and not is_loopback(settings.web_host):
        raise SettingsError(
            f"web_host {settings.web_host} can be reached from other machines: set web_token"
            " (NARRAWATCH_WEB_TOKEN), a secret of at least 16 characters that readers need"
        )


class Gate:
    """The application behind its checks."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        token = settings.web_token
        self._token = None if token is None else token.get_secret_value().encode()
        self._is_https = settings.web_url.startswith("https:")
        self._base = urlsplit(settings.web_url).path.rstrip("/")
        self._hosts = _hosts(settings) if is_loopback(settings.web_host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        # In place: whoever counts requests around this finds there which route was taken.
        scope["path"] = self._own_path(scope["path"])
        if scope["method"] == "HEAD":  # the same as GET; the server leaves the body out
            scope["method"] = "GET"
        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _own_path(self, path: str) -> str:
        """The path below that of `web_url`, whether a proxy has taken that off already or not."""
        rest = path.removeprefix(self._base)
        return rest if rest.startswith("/") else path

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What to answer instead of the application; None when the request may pass."""
        if self._hosts is not None and _host_name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse(
                "This host name is not served here. Set web_url if it should be.\n",
                HTTPStatus.MISDIRECTED_REQUEST,
            )
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("Not for pages of other sites.\n", HTTPStatus.FORBIDDEN)
        if self._token is None or scope["path"] in _OPEN_PATHS:
            return None
        return self._unauthorised(self._token, scope, headers)

    def _unauthorised(self, token: bytes, scope: Scope, headers: Headers) -> Response | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if given and _any_equal((one.encode() for one in given), token):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            return self._welcome(token, scope["path"] + (f"?{rest}" if rest else ""))
        if _any_equal(_credentials(headers), token) or _any_equal(_cookies(headers), _cookie_value(token)):
            return None
        if headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(_ONCE_MORE)
        return PlainTextResponse(
            "A token is needed: as bearer, as a password, or as ?token=\n",
            HTTPStatus.UNAUTHORIZED,
            {"WWW-Authenticate": 'Basic realm="narrawatch", charset="UTF-8"'},
        )

    def _welcome(self, token: bytes, address: str) -> Response:
        # One slash: "//host" would lead elsewhere.
        address = f"{self._base}/" + address.lstrip("/\\")
        response = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            _cookie_value(token).decode(),
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=self._is_https,
        )
        return response


def _hosts(settings: Settings) -> frozenset[str]:
    public = urlsplit(settings.web_url).hostname or ""
    return frozenset({"localhost", "127.0.0.1", "::1", settings.web_host, public.lower()})


def _host_name(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _credentials(headers: Headers) -> Iterable[bytes]:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    readers: dict[str, Callable[[str], bytes]] = {"bearer": _bearer, "basic": _password}
    reader = readers.get(scheme.lower())
    return [] if reader is None else [reader(value.strip())]


def _bearer(value: str) -> bytes:
    return value.encode("latin-1", "replace")


def _password(value: str) -> bytes:
    """The password of basic authentication; the user may be anybody."""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _cookies(headers: Headers) -> Iterable[bytes]:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return []
    return [] if morsel is None else [morsel.value.encode("latin-1", "replace")]


def _cookie_value(token: bytes) -> bytes:
    """What stands for the token in a browser: of no use anywhere else."""
    return hmac.new(token, b"narrawatch web cookie", hashlib.sha256).hexdigest().encode()


def _any_equal(given: Iterable[bytes], wanted: bytes) -> bool:
    return any(hmac.compare_digest(one, wanted) for one in given)
