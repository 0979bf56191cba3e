"""A chat-completions endpoint on loopback that takes nothing but what such an endpoint takes."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = "key-of-the-endpoint"
MODEL = "small-model"


class Reply(NamedTuple):
    """What it answers; text: of the completion, unless there is a body; "{label}": the label it was sent."""

    text: str = "The partnership is a takeover in disguise"
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    delay_seconds: float = 0.0


def completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "x", "object": "chat.completion", "model": MODEL, "choices": [choice]}).encode()


class ChatEndpoint:
    """replies: one a request, the last one for ever. `requests` are the bodies of those that were right,
    `wrong` says what was not."""

    def __init__(self, url: str, replies: Sequence[Reply]) -> None:
        self.url = url
        self.replies = list(replies)
        self.requests: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.wrong: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def take(self, handler: BaseHTTPRequestHandler) -> Reply:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        with self._lock:
            self.wrong += self._mistakes(handler, raw)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.raw.append(raw.decode())
            self.requests.append(json.loads(raw))
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            data = json.loads(self.requests[-1]["messages"][1]["content"][len("<data>") : -len("</data>")])
            reply = reply._replace(text=reply.text.replace("{label}", data["label"]))
        time.sleep(reply.delay_seconds)
        with self._lock:
            self._at_once -= 1
        return reply

    def _mistakes(self, handler: BaseHTTPRequestHandler, raw: bytes) -> list[str]:
        body = json.loads(raw)
        right = {
            "path": handler.path == "/v1/chat/completions",
            "key": handler.headers.get("Authorization") == f"Bearer {KEY}",
            "type": handler.headers.get("Content-Type") == "application/json",
            "fields": body.keys() == {"model", "messages", "temperature", "max_tokens"},
            "model": body.get("model") == MODEL,
            "roles": [message.get("role") for message in body["messages"]] == ["system", "user"],
            "texts": all(isinstance(message.get("content"), str) for message in body["messages"]),
        }
        return [name for name, is_right in right.items() if not is_right]


@contextmanager
def chat_endpoint(*replies: Reply) -> Iterator[ChatEndpoint]:
    """An endpoint for the block; everything that it was asked must have been right."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = endpoint.take(self)
            body = completion(reply.text) if reply.body is None else reply.body
            try:
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # who asked has gone

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint = ChatEndpoint(f"http://127.0.0.1:{server.server_address[1]}/v1", replies or [Reply()])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert endpoint.wrong == []
