"""From Alertmanager's webhook to the receivers: what is said, with which quotes, and what it answers."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.outcome import EventType
from streams.errors import BrokerError, InputError
from streams.notify.alertmanager import decode_group, from_group, kinds_of, narrative_of
from streams.notify.bridge import Bridge
from streams.notify.dispatcher import Dispatcher
from streams.notify.metrics import NotifyMetrics
from streams.notify.narrative_book import BURST_SECONDS, NarrativeBook
from streams.notify.notification import evidence_of
from streams.notify.webhook import Webhooks
from streams.results import EventRecord, MergedNarrative, narrative_key
from streams.settings_fields import Settings
from tests.streams.narratives_told import narrative, view
from tests.streams.webhook_receiver import Answer, Hook, webhook_receiver

TOKEN = "a token of some length"  # noqa: S105 - of these tests alone


def alert(name: str, **changes: Any) -> dict[str, Any]:
    labels = {"alertname": name, "severity": "warning", "desk": "tech", "narrative_id": "n-1"}
    labels |= changes.pop("labels", {})
    return {
        "status": "firing",
        "labels": {key: value for key, value in labels.items() if value},
        "annotations": {
            "summary": f"{name} in tech",
            "description": f"Figures of {name}.",
            "runbook_url": f"https://example.org/runbook#{name.lower()}",
            "link": "https://watch.example.org/narratives/n-1",
        },
        "startsAt": "2026-03-02T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": name.lower(),
    } | changes


def group(*alerts: dict[str, Any], key: str = '{}:{desk="tech"}') -> bytes:
    return json.dumps(
        {
            "version": "4",
            "groupKey": key,
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "analysts",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "alerts": alerts,
        }
    ).encode()


EMERGED = alert("NarrativeEmerged", labels={"severity": "info"}, startsAt="2026-03-02T12:30:00Z")
SPIKING = alert("NarrativeSpiking")


def test_a_group_is_one_notification_that_says_the_most_severe_first() -> None:
    decoded = decode_group(group(EMERGED, SPIKING))
    said = from_group(decoded, evidence_of(view()))
    assert narrative_of(decoded) == ("tech", "n-1")
    assert kinds_of(decoded) == ["spiking", "emerged"]
    assert (said.type, said.severity, said.desk, said.group) == ("spiking", "warning", "tech", "tech/n-1")
    assert said.title == "NarrativeSpiking in tech"
    assert said.text == (
        "Figures of NarrativeSpiking. NarrativeEmerged in tech. Figures of NarrativeEmerged."
        " First seen 2026-03-02 09:30 UTC; en 4, fr 3."
    )
    assert said.link == "https://watch.example.org/narratives/n-1"
    assert said.runbook_url == "https://example.org/runbook#narrativespiking"
    assert said.narrative is not None
    assert [quote.text for quote in said.narrative.quotes] == [
        "They are being bought.",
        "A takeover, plain and simple.",
    ]


def test_the_id_says_which_alerts_fire() -> None:
    def identity(*alerts: dict[str, Any], key: str = "k") -> str:
        return from_group(decode_group(group(*alerts, key=key)), None).id

    again = SPIKING | {"annotations": {"summary": "other figures"}}
    assert identity(SPIKING) == identity(again)
    assert identity(EMERGED, SPIKING) == identity(SPIKING, EMERGED)
    others = [
        identity(SPIKING),
        identity(SPIKING, EMERGED),
        identity(SPIKING, key="other"),
        identity(SPIKING | {"startsAt": "2026-03-03T12:00:00Z"}),
        identity(SPIKING | {"status": "resolved"}),
    ]
    assert len(set(others)) == len(others)


def test_what_is_over_is_said_to_be_over() -> None:
    over = SPIKING | {"status": "resolved"}
    assert from_group(decode_group(group(over)), None).resolved
    said = from_group(decode_group(group(over, EMERGED)), None)
    assert not said.resolved
    assert said.type == "emerged"


def test_an_alert_of_the_operator_has_no_desk_and_no_narrative() -> None:
    down = alert(
        "WorkerDown", labels={"severity": "critical", "desk": "", "narrative_id": "", "instance": "w"}
    )
    decoded = decode_group(group(down, key="operators"))
    said = from_group(decoded, None)
    assert narrative_of(decoded) is None
    assert (said.type, said.severity, said.desk, said.group) == ("operation", "critical", "", "operators")
    assert said.narrative is None


def test_several_narratives_in_a_group_are_not_taken_for_one() -> None:
    other = alert("NarrativeSpiking", labels={"narrative_id": "n-2"}, fingerprint="2")
    decoded = decode_group(group(SPIKING, other))
    assert narrative_of(decoded) is None
    assert from_group(decoded, None).desk == "tech"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b'{"version":"3"}', group(), b"[" * 100_000])
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError, match="not a webhook of Alertmanager"):
        decode_group(raw)


def encoded(record: object) -> bytes:
    return msgspec.json.encode(record)


def test_the_book_follows_merges_and_forgets() -> None:
    book = NarrativeBook(limit=2)
    book.take(
        narrative_key("tech", "old"), encoded(MergedNarrative(desk="tech", narrative_id="old", into="n-1"))
    )
    assert book.find("tech", "old") is None
    book.take(narrative_key("tech", "n-1"), encoded(narrative()))
    found = book.find("tech", "old")
    assert found is not None
    assert found.narrative_id == "n-1"
    assert book.find("other", "n-1") is None
    book.take(narrative_key("tech", "n-3"), encoded(narrative(narrative_id="n-3")))
    assert book.find("tech", "old") is None  # the one that changed longest ago
    book.take(narrative_key("tech", "n-1"), None)
    assert book.find("tech", "n-1") is None


def test_a_circle_of_merges_and_garbage_are_no_narrative() -> None:
    book = NarrativeBook()
    for one, into in (("a", "b"), ("b", "a")):
        merged = MergedNarrative(desk="tech", narrative_id=one, into=into)
        book.take(narrative_key("tech", one), encoded(merged))
    book.take(narrative_key("tech", "c"), b"garbage")
    assert book.find("tech", "a") is None
    assert book.find("tech", "c") is None


def test_a_narrative_that_comes_a_little_later_is_waited_for() -> None:
    book = NarrativeBook()
    late = threading.Timer(0.3, book.take, [narrative_key("tech", "n-1"), encoded(narrative())])
    late.start()
    assert book.find("tech", "n-1", wait_seconds=10.0) is not None
    begun = time.monotonic()
    assert book.find("tech", "never", wait_seconds=0.2) is None
    assert time.monotonic() - begun < 5


class Caller:
    """Sends what Alertmanager would."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    def post(
        self, body: bytes, headers: Mapping[str, str] | None = None, path: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self._parts.netloc, timeout=10)
        try:
            connection.request(
                "POST",
                path or self._parts.path,
                body,
                {"Content-Type": "application/json"} | dict(headers or {}),
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection(self._parts.netloc, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook_receiver() as one:
        yield one


@pytest.fixture
def open_bridge() -> Iterator[Any]:
    with ExitStack() as stack:

        def opened(url: str, book: NarrativeBook, **further: Any) -> Bridge:
            given = Settings.model_validate(
                {
                    "notify": [{"name": "newsroom", "url": url}],
                    "notify_allow_private": True,
                    "notify_listen_port": 0,
                }
                | further
            )
            stop = threading.Event()
            dispatcher = Dispatcher(
                given.notify,
                Webhooks(given, stop=stop),
                NotifyMetrics(CollectorRegistry(), ["newsroom"]),
                cooldown_seconds=0.0,
                stop=stop,
            )
            return stack.enter_context(Bridge(given, book, dispatcher))

        yield opened


def known() -> NarrativeBook:
    book = NarrativeBook()
    book.take(narrative_key("tech", "n-1"), encoded(narrative()))
    book.current()
    return book


def test_quotes_are_added_on_the_way(open_bridge: Any, hook: Hook) -> None:
    caller = Caller(open_bridge(hook.url, known()).url)
    status, answer = caller.post(group(SPIKING))
    assert (status, answer["newsroom"]) == (200, "delivered")
    (got,) = hook.got
    assert got.json["narrative"]["quotes"][0]["text"] == "They are being bought."
    assert caller.post(group(SPIKING)) == (200, answer | {"newsroom": "suppressed"})  # a second Alertmanager
    assert caller.post(group(SPIKING, EMERGED))[1]["newsroom"] == "delivered"  # there is something new to say
    assert len(hook.got) == 2


def spike(at: float, *, narrative_id: str = "n-1") -> EventRecord:
    own = view(narrative_id=narrative_id)
    said = f"They are being bought, I said so at {at:g}."
    quotes = [msgspec.structs.replace(own.quotes[0], text=said)]
    return EventRecord(
        desk="tech",
        type=EventType.SPIKING,
        narrative_id=narrative_id,
        at=own.last_seen,
        mentions=own.mentions,
        narrative=msgspec.structs.replace(own, quotes=quotes),
        trigger={},
    )


def test_a_spike_is_told_with_what_was_written_in_the_burst(open_bridge: Any, hook: Hook) -> None:
    book, now = known(), time.time()
    for at in (now - 60.0, now - 30.0):
        book.heard(encoded(spike(at)), at)
    book.heard(b"garbage", now)
    book.heard(None, now)
    caller = Caller(open_bridge(hook.url, book).url)
    caller.post(group(SPIKING))
    caller.post(group(EMERGED))
    burst, own = (got.json["narrative"]["quotes"][0]["text"] for got in hook.got)
    assert burst == f"They are being bought, I said so at {now - 30.0:g}."
    assert own == "They are being bought."


def test_a_burst_is_forgotten_after_a_day_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.notify.narrative_book._MAX_BURSTS", 2)
    book = NarrativeBook()
    for number in range(3):
        book.heard(encoded(spike(1_000.0, narrative_id=f"n-{number}")), 1_000.0)
    assert book.burst("tech", "n-0", 1_000.0) == []
    assert book.burst("tech", "n-2", 1_000.0 + BURST_SECONDS)
    assert book.burst("tech", "n-2", 1_001.0 + BURST_SECONDS) == []
    assert book.burst("other", "n-2", 1_000.0) == []


def test_without_the_narrative_the_alert_goes_out_all_the_same(
    open_bridge: Any, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.notify.bridge._LATE_RECORD_SECONDS", 0.1)
    caller = Caller(open_bridge(hook.url, NarrativeBook()).url)
    assert caller.post(group(SPIKING))[0] == 200
    assert hook.got[0].json["narrative"] is None
    assert hook.got[0].json["text"] == "Figures of NarrativeSpiking."


def test_what_may_pass_comes_again_and_a_refusal_does_not(open_bridge: Any) -> None:
    with webhook_receiver(Answer(503), Answer(200), Answer(404)) as hook:
        caller = Caller(open_bridge(hook.url, known()).url)
        assert caller.post(group(SPIKING))[0] == 503
        assert caller.post(group(SPIKING))[1]["newsroom"] == "delivered"
        status, answer = caller.post(group(EMERGED))
        assert (status, answer["newsroom"]) == (200, "given_up")
    assert len(hook.got) == 3


def test_only_alertmanager_gets_in(open_bridge: Any, hook: Hook) -> None:
    caller = Caller(open_bridge(hook.url, known(), notify_listen_token=TOKEN).url)
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert caller.post(group(SPIKING))[0] == 401
    assert caller.post(group(SPIKING), {"Authorization": "Bearer another"})[0] == 401
    assert caller.post(group(SPIKING), right | {"Content-Type": "text/plain"})[0] == 415
    assert caller.post(group(SPIKING), right, "/elsewhere")[0] == 404
    assert caller.post(b"{}", right)[0] == 400
    assert caller.post(b"", right | {"Content-Length": "999999999"})[0] == 413
    assert caller.post(b"", right | {"Content-Length": "-1"})[0] == 411
    assert hook.got == []
    assert caller.post(group(SPIKING), right)[0] == 200


def test_health(open_bridge: Any, hook: Hook) -> None:
    book = NarrativeBook()
    caller = Caller(open_bridge(hook.url, book).url)
    assert caller.get("/health") == 503
    book.current()
    assert caller.get("/health") == 200
    assert caller.get("/") == 404


def test_a_port_that_is_taken_is_one_line(open_bridge: Any, hook: Hook) -> None:
    port = urlsplit(open_bridge(hook.url, known()).url).port
    with pytest.raises(BrokerError, match=f"notify_listen_port {port} of 127.0.0.1 cannot be used"):
        open_bridge(hook.url, known(), notify_listen_port=port)
