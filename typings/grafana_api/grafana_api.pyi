from typing import Any, Protocol

import requests

class _Request(Protocol):
    def __call__(self, url: str, json: Any = ..., headers: dict[str, str] | None = ...) -> Any: ...

class GrafanaAPI:
    s: requests.Session
    url: str
    GET: _Request
    POST: _Request
    PUT: _Request
    DELETE: _Request
