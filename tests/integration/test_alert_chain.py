"""From a comment to a notification, with everything real: broker, worker, Prometheus, Alertmanager, webhook.

Alertmanager runs with the configuration that is committed, but for its addresses and its patience.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from streams.alerts.render import rule_documents
from streams.broker import EmbeddedBroker
from streams.monitoring import Monitoring, missing_programs
from streams.settings import Settings, load_settings
from streams.topics import create_topics
from tests.integration.live import ROOT, Line, Worker, environment_of, send, wait_until_done
from tests.programs import require_programs
from tests.streams.webhook_receiver import Answer, Hook, webhook_receiver

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "streams" / "samples" / "comments.jsonl"
BACKGROUND = 150  # comments of the sample
TALK = 30  # the next ones
PATIENCE_SECONDS = 60.0
GROUP_SECONDS = 2
COPY = "The ministry has hidden the accounts of the national cloud since June"


class Claim(NamedTuple):
    name: str
    core: Sequence[str]  # what its authors have in common, in several wordings


BRIDGE = Claim(
    "bridge",
    (
        "harbour bridge nine euros toll from March",
        "the bridge over the harbour a toll of nine euros as of March",
        "crossing the harbour bridge toll, nine euros, starting in March",
        "that harbour bridge nine euros toll from March",
    ),
)
LIBRARY = Claim(
    "library",
    (
        "the central library sells its rare maps to a private collector",
        "a private collector gets the rare maps of the central library",
        "rare maps leave the central library for a private collector",
    ),
)
OPENINGS = (
    "My neighbour at the town hall swears it is settled:",
    "Nobody asked the islanders and yet",
    "I pay taxes already, and now",
    "They will deny it until spring, but",
    "Read the budget annex on page forty:",
    "Somebody must be delighted,",
    "So much for the election promises,",
    "For the nurses who commute every night",
)
ENDINGS = (
    "and no discount for residents",
    "which buys nothing but paint",
    "says whoever signed the contract",
    "as if diesel were free",
    "with cameras on both ends",
    "so I am moving away",
    "while the mayor takes a helicopter",
)
CONFIG = """
notify_allow_private = true
notify_listen_port = 0
notify_metrics_port = 0
[[notify]]
name = "newsroom"
url = "{url}"
"""


def comment(number: str, thread: str, author: str, at: datetime, text: str) -> dict[str, Any]:
    return {
        "id": number,
        "source": "Passerelle",
        "thread": thread,
        "author": author,
        "created_at": at.isoformat(),
        "text": text,
    }


def in_own_words(claim: Claim, number: int, at: datetime) -> dict[str, Any]:
    """The claim as its author number so many puts it."""
    text = f"{OPENINGS[number % 8]} {claim.core[number % len(claim.core)]} {ENDINGS[number % 7]}."
    place = f"{claim.name}-{number}"
    return comment(place, f"{claim.name}-thread-{number % 4}", f"{claim.name}-reader-{number}", at, text)


def background(now: datetime) -> list[dict[str, Any]]:
    """The sample, as if it ended twenty minutes ago, and a claim that is known already."""
    comments = [json.loads(line) for line in SAMPLE.read_bytes().splitlines()[:BACKGROUND]]
    shift = now - timedelta(minutes=20) - datetime.fromisoformat(comments[-1]["created_at"])
    for one in comments:
        one["created_at"] = (datetime.fromisoformat(one["created_at"]) + shift).isoformat()
    known = [in_own_words(BRIDGE, number, now - timedelta(hours=20 - 4 * number)) for number in range(5)]
    return sorted(comments + known, key=lambda one: datetime.fromisoformat(one["created_at"]))


def news(now: datetime) -> list[dict[str, Any]]:
    """A claim that nobody made before, one that many make now, and one that is pasted."""
    ago = [now - timedelta(seconds=10 * (40 - step)) for step in range(40)]
    new = [in_own_words(LIBRARY, number, ago[number]) for number in range(4)]
    burst = [in_own_words(BRIDGE, number, ago[number]) for number in range(5, 14)]
    copies = [
        comment(f"copy-{number}", f"thread-{number % 3}", f"account-{number}", ago[30 + number], COPY)
        for number in range(6)
    ]
    # What is said meanwhile: claims that wait are looked at again when some more have come.
    talk = [json.loads(line) for line in SAMPLE.read_bytes().splitlines()[BACKGROUND : BACKGROUND + TALK]]
    return new + burst + copies + [one | {"created_at": now.isoformat()} for one in talk]


def lines(comments: Sequence[dict[str, Any]]) -> list[Line]:
    return [Line(None, json.dumps(one).encode()) for one in comments]


def committed_alertmanager(bridge_url: str) -> dict[str, Any]:
    text = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    del config["global"], config["templates"]
    for receiver in config["receivers"]:
        receiver.pop("email_configs", None)
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = bridge_url
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": f"{GROUP_SECONDS}s"}
    return config


@contextmanager
def bridge(settings: Settings, hook: Hook, folder: Path) -> Iterator[str]:
    """`narrawatch notify --listen` as a process; yields where it listens."""
    config = folder / "narrawatch.toml"
    config.write_text(CONFIG.format(url=hook.url), encoding="utf-8")
    with (folder / "notify.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "notify", "--listen", "--config", str(config)],
            cwd=ROOT,
            env=environment_of(settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert "alerts http://127.0.0.1:" in line, (folder / "notify.log").read_text()
        yield line.split("alerts ")[1].split()[0]
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Settings, Hook, Worker, Monitoring]]:
    require_programs("prometheus")
    if "alertmanager" in missing_programs():
        require_programs("prometheus-alertmanager")
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        hook = stack.enter_context(webhook_receiver(Answer(503), Answer(200)))
        settings = load_settings(
            kafka_bootstrap=broker.address,
            kafka_embedded=True,
            app_id=f"a{time.monotonic_ns()}",
            partitions=1,
            model="hash",
            desk="tech",
            data_dir=tmp_path,
            cache_dir=tmp_path,
            metrics_port=0,
            author_key="a key of authors for the tests",
            alert_for_seconds=1,
        )
        create_topics(settings)
        log = stack.enter_context((tmp_path / "worker.log").open("w"))
        worker = stack.enter_context(Worker(settings, log)).ready()
        url = stack.enter_context(bridge(settings, hook, tmp_path))
        monitoring = stack.enter_context(
            Monitoring(
                targets={"narrawatch": [worker.metrics_url.split("/")[2]]},
                rules=rule_documents(settings),
                alertmanager=committed_alertmanager(url),
            )
        )
        yield settings, hook, worker, monitoring


def about(hook: Hook, words: str) -> list[dict[str, Any]]:
    """What was delivered of the narrative whose label has these words."""
    return [got.json for got in list(hook.got)[1:] if words in got.json["title"].lower()]


def test_what_happens_in_the_stream_becomes_one_notification_with_its_evidence(
    chain: tuple[Settings, Hook, Worker, Monitoring],
) -> None:
    settings, hook, _, monitoring = chain
    begun = datetime.now(UTC)
    send(settings, lines(background(begun)))
    wait_until_done(settings)
    send(settings, lines(news(begun)))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(about(hook, words) for words in ("library", "bridge", "ministry")):
        assert time.monotonic() < deadline, [alert["labels"] for alert in monitoring.alerts()]
        time.sleep(0.2)
    time.sleep(3 * GROUP_SECONDS)  # whoever would say it again would have done so

    (emerged,) = about(hook, "library")
    assert (emerged["type"], emerged["severity"]) == ("emerged", "info")
    # As many as there were when it was told: the others were on their way.
    assert re.match(r"([34]) mentions by \1 authors in \1 threads so far; it emerged ", emerged["text"])

    (spiking,) = about(hook, "bridge")
    assert (spiking["type"], spiking["severity"]) == ("spiking", "warning")
    assert re.match(
        r"\d+ mentions in an hour \([01]\.\d expected\), \d+ in a day;"
        r" the surprise is \d+\.\d decades\. \d+ authors in \d threads? so far\. First seen ",
        spiking["text"],
    )
    narrative = spiking["narrative"]
    assert narrative["authors"] >= 10
    assert narrative["threads"] >= 4
    assert narrative["languages"] == {"en": narrative["mentions"]}
    first_seen = datetime.fromisoformat(narrative["first_seen"])
    assert timedelta(hours=19.9) < begun - first_seen < timedelta(hours=20.1)
    said = {one["text"] for one in background(begun) + news(begun)}
    assert {quote["text"] for quote in narrative["quotes"]} <= said
    assert len(narrative["quotes"]) >= 2
    assert {quote["source"] for quote in narrative["quotes"]} == {"Passerelle"}
    assert spiking["link"] == f"http://127.0.0.1:8484/narratives/{narrative['narrative_id']}"
    assert spiking["runbook_url"] == "deploy/runbook.md#narrativespiking"

    (campaign,) = about(hook, "ministry")
    assert (campaign["type"], campaign["severity"]) == ("campaign", "warning")
    assert re.match(
        r"[4-6] of \d mentions are copies of one text, by \d authors in \d threads?\. First seen ",
        campaign["text"],
    )
    assert COPY in {quote["text"] for quote in campaign["narrative"]["quotes"]}

    # The first attempt was refused: that one came again, and nothing came twice.
    refused, *others = hook.got
    told = [one.headers["Idempotency-Key"] for one in others]
    assert refused.headers["Idempotency-Key"] in told
    assert len(told) == len(set(told))
