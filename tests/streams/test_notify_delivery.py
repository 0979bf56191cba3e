"""How notifications get to webhooks: retries, refusals, addresses, cool-down, and who is told at all."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from models.outcome import EventType
from streams.errors import DeliveryError, ForbiddenAddressError
from streams.notify.dispatcher import Dispatcher
from streams.notify.guarded_transport import GuardedTransport
from streams.notify.metrics import Fate, NotifyMetrics
from streams.notify.notification import Notification, from_event
from streams.notify.quiet import Lately
from streams.notify.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, verified
from streams.notify.webhook import Webhooks
from streams.notify_fields import Receiver
from streams.public_address import is_public, resolve
from streams.settings_fields import Settings
from tests.apache import make_certificates
from tests.streams.narratives_told import event
from tests.streams.webhook_receiver import Answer, Hook, webhook_receiver

KEY = "a secret for signatures"


def settings(*receivers: Receiver, **further: Any) -> Settings:
    return Settings.model_validate(
        {"notify": receivers, "notify_allow_private": True, "notify_attempts": 4} | further
    )


def receiver(url: str, **further: Any) -> Receiver:
    return Receiver.model_validate({"name": "newsroom", "url": url} | further)


def said(**changes: Any) -> Notification:
    return from_event(event(**changes), "http://127.0.0.1:8484")


def webhooks(
    given: Settings, stop: threading.Event | None = None, wait: Callable[[int], float] = lambda _: 0.0
) -> Webhooks:
    return Webhooks(given, stop=stop or threading.Event(), wait=wait)


def test_it_arrives_signed_and_with_a_key() -> None:
    with webhook_receiver() as hook:
        one = receiver(hook.url, secret=SecretStr(KEY))
        webhooks(settings(one)).send(said(), one)
    (got,) = hook.got
    assert got.path == "/hook/secret-part-of-the-address"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Idempotency-Key"] == got.json["id"] == said().id
    stamp, signature = got.headers[TIMESTAMP_HEADER], got.headers[SIGNATURE_HEADER]
    assert verified(KEY, stamp, signature, got.body, now=time.time())


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_what_may_pass_is_tried_again_with_the_same_key(status: int) -> None:
    with webhook_receiver(Answer(status), Answer(status), Answer(204)) as hook:
        one = receiver(hook.url)
        webhooks(settings(one)).send(said(), one)
    assert len(hook.got) == 3
    assert len({got.headers["Idempotency-Key"] for got in hook.got}) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410])
def test_a_refusal_is_final(status: int) -> None:
    with (
        webhook_receiver() as elsewhere,
        webhook_receiver(Answer(status, [("Location", elsewhere.url)])) as hook,
    ):
        one = receiver(hook.url)
        with pytest.raises(DeliveryError, match=f"status {status}") as caught:
            webhooks(settings(one)).send(said(), one)
    assert not caught.value.may_pass
    assert len(hook.got) == 1
    assert elsewhere.got == []  # a redirect is not followed


def test_it_is_given_up_after_all_attempts() -> None:
    with webhook_receiver(Answer(503)) as hook:
        one = receiver(hook.url)
        with pytest.raises(DeliveryError, match="status 503") as caught:
            webhooks(settings(one)).send(said(), one)
    assert caught.value.may_pass
    assert len(hook.got) == 4


def test_retry_after_is_honoured() -> None:
    with webhook_receiver(Answer(429, [("Retry-After", "1")]), Answer(200)) as hook:
        one = receiver(hook.url)
        webhooks(settings(one)).send(said(), one)
    assert 0.9 < hook.got[1].at - hook.got[0].at < 5


def test_a_time_out_is_tried_again() -> None:
    with webhook_receiver(Answer(delay_seconds=1.5), Answer()) as hook:
        one = receiver(hook.url)
        webhooks(settings(one, notify_timeout_seconds=0.3)).send(said(), one)
    assert len(hook.got) == 2


def test_nobody_there_and_the_address_is_not_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        one = receiver(f"http://127.0.0.1:{closed.getsockname()[1]}/hook/secret-part")
        with pytest.raises(DeliveryError) as caught:
            webhooks(settings(one, notify_attempts=2)).send(said(), one)
    assert caught.value.may_pass
    assert "secret-part" not in str(caught.value)


def test_the_end_of_the_process_ends_the_waiting() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with webhook_receiver(Answer(503)) as hook:
        one = receiver(hook.url)
        begun = time.monotonic()
        with pytest.raises(DeliveryError):
            webhooks(settings(one), stop, wait=lambda _: 30.0).send(said(), one)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::10.0.0.1",
    ],
)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34"])
def test_an_address_that_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
def test_whatever_way_loopback_is_written_it_is_refused(host: str) -> None:
    with webhook_receiver() as hook:
        one = receiver(f"http://{host}:{hook.port}/x")
        with pytest.raises(DeliveryError) as caught:
            webhooks(settings(one, notify_allow_private=False, notify_attempts=1)).send(said(), one)
    assert hook.got == []
    # Where a system does not take the spelling, or has no IPv6, there is no connection at all.
    assert "private address" in str(caught.value) or "no connection" in str(caught.value)


def test_loopback_is_refused_for_good() -> None:
    one = receiver("http://127.0.0.1:9/x")
    with pytest.raises(DeliveryError, match="private address") as caught:
        webhooks(settings(one, notify_allow_private=False)).send(said(), one)
    assert not caught.value.may_pass


def test_a_name_is_resolved_once_and_connected_to_what_was_checked() -> None:
    """A name that is public when it is asked for the first time, and loopback ever after."""
    asked: list[str] = []

    def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        # A public address by its number, where no web server is.
        return ["192.0.0.9" if len(asked) == 1 else "127.0.0.1"]

    with webhook_receiver() as hook, httpx.Client(transport=GuardedTransport(resolve=rebinding)) as client:
        with pytest.raises(httpx.TransportError):
            client.post(f"http://rebinding.example:{hook.port}/", timeout=0.3)
        assert asked == ["rebinding.example"]
        with pytest.raises(ForbiddenAddressError):
            client.post(f"http://rebinding.example:{hook.port}/", timeout=0.3)
        assert hook.got == []


def test_one_private_address_among_public_ones_is_enough() -> None:
    transport = GuardedTransport(resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])
    with httpx.Client(transport=transport) as client, pytest.raises(ForbiddenAddressError):
        client.post("http://mixed.example/", timeout=0.5)


def test_it_connects_to_the_checked_address_and_holds_the_certificate_against_the_name(
    tmp_path: Path,
) -> None:
    """The certificate is of 127.0.0.1: for another name it is refused, wherever that leads."""
    files = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        one = receiver(f"https://hooks.example.org:{server.server_address[1]}/x")
        given = settings(one, notify_attempts=1)
        transport = GuardedTransport(allow_private=True, resolve=lambda *_: ["127.0.0.1"])
        with pytest.raises(DeliveryError, match=r"no connection .*certificate"):
            Webhooks(given, stop=threading.Event(), transport=transport).send(said(), one)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with webhook_receiver() as hook:
        transport = GuardedTransport(allow_private=True, resolve=lambda *_: ["127.255.0.9", "127.0.0.1"])
        with httpx.Client(transport=transport) as client:
            assert client.post(f"http://two.example:{hook.port}/").is_success
    (got,) = hook.got
    assert got.headers["Host"] == f"two.example:{hook.port}"


def test_names_are_resolved_by_the_system() -> None:
    assert "127.0.0.1" in resolve("localhost", 80)
    with pytest.raises(OSError, match=r"."):
        resolve("no-such-host.invalid", 80)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook_receiver() as proxy, webhook_receiver() as hook:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        one = receiver(hook.url)
        webhooks(settings(one)).send(said(), one)
    assert len(hook.got) == 1
    assert proxy.got == []


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A dispatcher with what it counts."""

    def __init__(self, given: Settings, *, cooldown: float = 3_600.0) -> None:
        self.registry = CollectorRegistry()
        self.clock = Clock()
        self.stop = threading.Event()
        self.dispatcher = Dispatcher(
            given.notify,
            webhooks(given, self.stop),
            NotifyMetrics(self.registry, [one.name for one in given.notify]),
            cooldown_seconds=cooldown,
            stop=self.stop,
            clock=self.clock,
        )

    def count(self, name: str, fate: Fate) -> float:
        labels = {"receiver": name, "outcome": fate.value}
        return self.registry.get_sample_value("narrawatch_notifications_total", labels) or 0.0


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook_receiver() as one:
        yield one


def test_the_same_is_said_once_and_of_a_narrative_not_too_often(hook: Hook) -> None:
    desk = Desk(settings(receiver(hook.url)))
    assert [one.fate for one in desk.dispatcher.send(said())] == [Fate.DELIVERED]
    assert [one.fate for one in desk.dispatcher.send(said())] == [Fate.SUPPRESSED]  # came twice
    later = event().at.replace(hour=13)
    assert [one.fate for one in desk.dispatcher.send(said(at=later))] == [Fate.SUPPRESSED]  # too soon
    spiking = said(type=EventType.SPIKING)
    assert [one.fate for one in desk.dispatcher.send(spiking)] == [Fate.DELIVERED]  # something else
    assert [one.fate for one in desk.dispatcher.send(said(desk="other"))] == [Fate.DELIVERED]
    desk.clock.now += 3_600
    assert [one.fate for one in desk.dispatcher.send(said(at=later))] == [Fate.DELIVERED]
    assert len(hook.got) == 4
    assert desk.count("newsroom", Fate.DELIVERED) == 4
    assert desk.count("newsroom", Fate.SUPPRESSED) == 2


def test_what_was_not_delivered_does_not_cool_down() -> None:
    with webhook_receiver(Answer(400), Answer(200)) as hook:
        desk = Desk(settings(receiver(hook.url)))
        assert [one.fate for one in desk.dispatcher.send(said())] == [Fate.GIVEN_UP]
        assert [one.fate for one in desk.dispatcher.send(said())] == [Fate.DELIVERED]
    assert desk.count("newsroom", Fate.GIVEN_UP) == 1


def test_one_that_fails_does_not_keep_the_others_from_being_told(hook: Hook) -> None:
    with webhook_receiver(Answer(500)) as broken:
        desk = Desk(settings(receiver(broken.url, name="broken"), receiver(hook.url)))
        fates = {one.receiver: one.fate for one in desk.dispatcher.send(said())}
        assert fates == {"broken": Fate.GIVEN_UP, "newsroom": Fate.DELIVERED}
        assert len(broken.got) == 4
        desk.dispatcher.send(said(type=EventType.SPIKING))
        assert len(broken.got) == 5  # once is enough until it answers again
        broken.answers = [Answer(200)]
        desk.dispatcher.send(said(desk="a"))
        broken.answers = [Answer(500), Answer(200)]
        desk.dispatcher.send(said(desk="b"))
        assert len(broken.got) == 8
    assert len(hook.got) == 4


def test_stopped_in_the_middle_it_is_postponed() -> None:
    with webhook_receiver(Answer(503)) as hook:
        desk = Desk(settings(receiver(hook.url)))
        desk.stop.set()
        assert [one.fate for one in desk.dispatcher.send(said())] == [Fate.POSTPONED]


@pytest.mark.parametrize(
    ("wants", "changes", "told"),
    [
        ({}, {}, True),
        ({"desks": ("tech",)}, {}, True),
        ({"desks": ("press",)}, {}, False),
        ({"types": ("spiking",)}, {}, False),
        ({"types": ("spiking",)}, {"type": EventType.SPIKING}, True),
        ({}, {"type": EventType.FADED}, False),
        ({"types": ("faded",)}, {"type": EventType.FADED}, True),
        ({"min_severity": "warning"}, {}, False),
        ({"min_severity": "warning"}, {"type": EventType.SPIKING}, True),
        ({"min_severity": "critical"}, {"type": EventType.SPIKING}, False),
    ],
)
def test_who_is_told_what(hook: Hook, wants: dict[str, Any], changes: dict[str, Any], told: bool) -> None:
    Desk(settings(receiver(hook.url, **wants))).dispatcher.send(said(**changes))
    assert len(hook.got) == int(told)


def test_what_is_remembered_is_bounded_and_passes() -> None:
    clock = Clock()
    lately = Lately(10.0, clock)
    for number in range(100_010):
        lately.add(number)
    assert 9 not in lately
    assert 10 in lately
    clock.now += 10
    assert 100_009 not in lately
    lately.add("x")
    assert len(lately._at) == 1
