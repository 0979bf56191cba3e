"""`narrawatch web` on a real broker: it reads topics as workers write them, and goes on after a kill."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from models.outcome import Event, EventType, Mention, NarrativeView, Outcome, WatchMatch
from streams.broker import EmbeddedBroker
from streams.connection import producer_options
from streams.loopback import free_port
from streams.results import narrative_output, outputs_of
from streams.settings import Settings, Watch, load_settings
from streams.topics import Topic, create_topics, topic_name
from streams.watch_topic import write_watch
from tests.integration.live import ROOT, environment_of, run
from tests.web.records import NOW, mentions, narrative

pytestmark = pytest.mark.integration

_SECONDS = 20.0


def view(narrative_id: str, **fields: Any) -> NarrativeView:
    return msgspec.convert(narrative(narrative_id, **fields), NarrativeView, from_attributes=True)


def told(count: int, narrative_id: str, **fields: Any) -> list[Mention]:
    return [
        msgspec.convert(one, Mention, from_attributes=True) for one in mentions(count, narrative_id, **fields)
    ]


def write(settings: Settings, outcome: Outcome) -> None:
    """Send what an engine said, as a worker does."""
    send(settings, [(one.topic, one.key, one.value) for one in outputs_of("tech", outcome)])


def send(settings: Settings, records: Sequence[tuple[Topic, bytes | None, bytes]]) -> None:
    producer = KafkaProducer(**producer_options(settings))
    for topic, key, value in records:
        producer.send(topic_name(settings, topic), value, key=key)
    producer.flush(30)
    producer.close()


class Web:
    """A process of the page."""

    def __init__(self, settings: Settings, log: Path, *arguments: str) -> None:
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams", "web", "--port", "0", *arguments],
                cwd=ROOT,
                env=environment_of(settings),
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert "http://127.0.0.1:" in line, log.read_text()[-2_000:]
        self.address = line.split()[-1].rstrip("/")

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=5) as answer:  # noqa: S310 - loopback
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def metrics(self) -> dict[str | tuple[str, ...], float]:
        """The samples of its metrics, by name and values of labels."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        with urllib.request.urlopen(line.split()[-1], timeout=5) as answer:  # noqa: S310 - loopback
            text = answer.read().decode()
        return {
            (one.name, *one.labels.values()) if one.labels else one.name: one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    def until(self, path: str, status: int, **expected: Any) -> Any:
        """The answer, once it has this status and these fields."""
        deadline = time.monotonic() + _SECONDS
        while True:
            found, body = self.get(path)
            if found == status and expected.items() <= body.items():
                return body
            assert time.monotonic() < deadline, f"{path}: {found} {body}"
            time.sleep(0.1)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def web(settings: Settings, log: Path, *arguments: str) -> Iterator[Web]:
    page = Web(settings, log, *arguments)
    try:
        yield page
    finally:
        page.process.kill()
        page.process.communicate()


def check_figures(figures: dict[str | tuple[str, ...], float]) -> None:
    """Of five mentions and two narratives, and a record of garbage among each."""
    assert figures["narrawatch_web_records_refused_total", "mentions"] == 1
    assert figures["narrawatch_web_records_refused_total", "narratives"] == 1
    assert figures["narrawatch_web_records_total", "mentions"] == 6  # and the garbage
    assert figures["narrawatch_web_records_total", "events"] == 0
    assert figures["narrawatch_web_lag_records", "mentions"] == 0
    assert figures["narrawatch_web_ready"] == 1
    assert (figures["narrawatch_web_narratives"], figures["narrawatch_web_mentions"]) == (2, 5)
    assert figures["narrawatch_web_store_bytes"] > 10_000
    assert figures["narrawatch_web_requests_total", "/ready", "2xx"] >= 2


def test_the_page_follows_the_topics(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with EmbeddedBroker() as broker:
        settings = load_settings(
            kafka_bootstrap=broker.address,
            kafka_embedded=True,
            cache_dir=tmp_path / "cache",
            partitions=2,
            web_metrics_port=0,
        )
        with web(settings, log) as page:
            _, body = page.get("/ready")
            assert body["status"] == "fail"  # no topics yet
            create_topics(settings)
            page.until("/ready", 200)
            write(settings, Outcome(mentions=told(5, "n1"), changed={"n1": view("n1"), "n2": view("n2")}))
            page.until("/api/v1/narratives/n1", 200, kept_mentions=5)
            send(settings, [(Topic.MENTIONS, b"tech", b"garbage"), (Topic.NARRATIVES, b"x", b"\xff")])
            page.until("/ready", 200, refused_records=2)
            check_figures(page.metrics())

            write_watch(settings, "quiet sale", Watch(name="quiet sale", phrases=("sold quietly",)))
            match = WatchMatch(
                watch="quiet sale",
                source="b",
                comment_id="c",
                n=0,
                text="x",
                similarity=0.9,
                narrative_id="n2",
                at=NOW,
            )
            gone = msgspec.structs.replace(match, comment_id="d")
            voided = msgspec.structs.replace(gone, n=-1, text="", withdrawn=True)
            write(settings, Outcome(match_news=[match, gone, voided]))
            page.until("/api/v1/watches/quiet%20sale", 200, total=1)
            (watch,) = page.get("/api/v1/watches")[1]
            assert (watch["phrases"], watch["matches"]) == (["sold quietly"], 1)

            withdrawn = msgspec.structs.replace(told(1, "n1")[0], withdrawn=True, text="")
            merge = Event(
                type=EventType.MERGED,
                narrative_id="n2",
                into="n1",
                at=NOW,
                mentions=7,
                narrative=view("n1"),
                trigger={"similarity": 0.9},
            )
            write(settings, Outcome(mentions=[*told(2, "n2"), withdrawn], events=[merge]))
            found = page.until("/api/v1/narratives/n2", 200, narrative_id="n1", kept_mentions=6)
            page.until("/api/v1/narratives", 200, total=1)
            assert [one["type"] for one in found["events"]] == ["merged"]
            found = page.get("/api/v1/watches/quiet%20sale")[1]["matches"][0]
            assert (found["narrative_id"], found["label"]) == ("n1", "The label of n1")
            write_watch(settings, "quiet sale", None)
            page.end(signal.SIGKILL)

        output = narrative_output("tech", view("n1", mentions=99))
        send(settings, [(output.topic, output.key, output.value)])
        with web(settings, log) as page:
            page.until("/api/v1/narratives/n1", 200, mentions=99, kept_mentions=6)
            (watch,) = page.get("/api/v1/watches")[1]
            assert (watch["phrases"], watch["matches"]) == ([], 1)  # removed; what it found is history
            page.until("/ready", 200, refused_records=0)  # it went on, and did not begin anew
            assert page.end(signal.SIGTERM) == 0
        port = int(broker.address.rpartition(":")[2])

    with (
        EmbeddedBroker(port),
        web(settings, log) as page,
    ):  # the same address, but nothing is left of the topics
        create_topics(settings)
        page.until("/ready", 200)
        page.until("/api/v1/narratives", 200, total=0)
        assert page.end(signal.SIGINT) == 0


def test_the_page_shows_what_a_replay_found(tmp_path: Path) -> None:
    settings = load_settings(
        cache_dir=tmp_path / "cache", data_dir=tmp_path / "data", model="hash", web_metrics_port=free_port()
    )
    sample = ROOT / "streams" / "samples" / "comments.jsonl"
    replayed = run(
        settings, "replay", str(sample), "--out", str(tmp_path / "found"), "--watch", "rachat", "--json"
    )
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)["narratives"]
    assert found
    with web(settings, tmp_path / "log", "--from", str(tmp_path / "found")) as page:
        assert page.get("/ready")[0] == 200
        with pytest.raises(OSError, match="refused"):  # nothing to watch in what does not change
            socket.create_connection(("127.0.0.1", settings.web_metrics_port), 5)
        _, listed = page.get("/api/v1/narratives")
        assert listed["total"] == len(found)
        for one in found:
            _, shown = page.get(f"/api/v1/narratives/{one['narrative_id']}")
            # What is kept of the mentions agrees with what the engine counted.
            assert shown["kept_mentions"] == shown["mentions"] == one["mentions"]
            _, told = page.get(f"/api/v1/narratives/{one['narrative_id']}/timeline")
            assert (
                sum(part["supports"] + part["rebuts"] + part["unjudged"] for part in told["bins"])
                == one["mentions"]
            )
        assert page.get("/api/v1/watches")[1][0]["name"] == "rachat"
        # An open page does not keep it from ending.
        with urllib.request.urlopen(f"{page.address}/live?shown=0", timeout=5) as updates:  # noqa: S310 - loopback
            assert updates.readline() == b"retry: 3000\n"
            assert page.end(signal.SIGTERM) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0", "--from", "."), "set web_token"),  # noqa: S104 - it must not be bound
        (("--port", "0", "--from", "."), "narrawatch replay --out"),
        (("--port", "0", "--from", "no-such-folder"), "there is no no-such-folder/narratives.jsonl"),
        (("--host", "192.0.2.1", "--from", "."), "cannot be used"),  # an address that no machine has
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    settings = load_settings(
        cache_dir=tmp_path, web_token="a word of sixteen" if "192.0.2.1" in arguments else None
    )
    ended = run(settings, "web", *arguments)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert said in line
