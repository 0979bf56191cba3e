"""From a comment to a notification, with everything real: broker, worker, Prometheus, Alertmanager, webhook.

Alertmanager runs with the configuration that is committed, but for its addresses and its patience.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.alerts.render import rule_documents
from streams.broker import EmbeddedBroker
from streams.monitoring import Monitoring, missing_programs
from streams.settings import Settings, load_settings
from streams.topics import create_topics
from tests.integration.live import ROOT, Line, Worker, environment_of, send, wait_until_done
from tests.programs import require_programs
from tests.streams.webhook_receiver import Answer, Got, Hook, webhook_receiver

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "streams" / "samples" / "comments.jsonl"
BACKGROUND = 150  # comments of the sample
PATIENCE_SECONDS = 60.0
GROUP_SECONDS = 2
CLAIM = "The ministry has hidden the accounts of the national cloud since June"
CONFIG = """
notify_allow_private = true
notify_listen_port = 0
notify_metrics_port = 0
[[notify]]
name = "newsroom"
url = "{url}"
"""


def background() -> list[Line]:
    """The first comments of the sample, as if the last of them was ten minutes old."""
    comments = [json.loads(line) for line in SAMPLE.read_bytes().splitlines()[:BACKGROUND]]
    last = datetime.fromisoformat(comments[-1]["created_at"])
    shift = datetime.now(UTC) - timedelta(minutes=10) - last
    lines = []
    for comment in comments:
        at = datetime.fromisoformat(comment["created_at"]) + shift
        lines.append(Line(None, json.dumps(comment | {"created_at": at.isoformat()}).encode()))
    return lines


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
            alert_emerged_seconds=20 * 86_400,
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


def campaign() -> list[Line]:
    """One text by six accounts in three threads, within three minutes."""
    now = datetime.now(UTC)
    return [
        Line(
            None,
            json.dumps(
                {
                    "id": f"copy-{number}",
                    "source": "Passerelle",
                    "thread": f"thread-{number % 3}",
                    "author": f"account-{number}",
                    "created_at": (now - timedelta(seconds=30 * (6 - number))).isoformat(),
                    "text": CLAIM,
                }
            ).encode(),
        )
        for number in range(6)
    ]


def about(hook: Hook, claim: str) -> list[Got]:
    """What was received, whatever was answered, of the narrative with this claim."""
    return [got for got in list(hook.got) if claim in got.json["title"]]


def test_what_happens_in_the_stream_becomes_one_notification_with_its_evidence(
    chain: tuple[Settings, Hook, Worker, Monitoring],
) -> None:
    settings, hook, _, monitoring = chain
    send(settings, background())
    wait_until_done(settings)
    begun = datetime.now(UTC)
    send(settings, campaign())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not about(hook, CLAIM):
        assert time.monotonic() < deadline, [alert["labels"] for alert in monitoring.alerts()]
        time.sleep(0.2)
    time.sleep(3 * GROUP_SECONDS)  # whoever would say it again would have done so
    (got,) = about(hook, CLAIM)
    said = got.json
    narrative = said["narrative"]
    assert said["type"] == "campaign"
    assert said["severity"] == "warning"
    assert said["desk"] == "tech"
    assert said["title"] == f"Campaign in tech: {CLAIM}"
    assert said["text"].startswith(
        "6 of 6 mentions are copies of one text, by 6 authors in 3 threads. First seen "
    )
    assert said["link"] == f"http://127.0.0.1:8484/narratives/{narrative['narrative_id']}"
    assert said["runbook_url"] == "deploy/runbook.md#campaigndetected"
    assert {quote["text"] for quote in narrative["quotes"]} == {CLAIM}
    assert {quote["source"] for quote in narrative["quotes"]} == {"Passerelle"}
    assert (narrative["authors"], narrative["threads"], narrative["mentions"]) == (6, 3, 6)
    first_seen = datetime.fromisoformat(narrative["first_seen"])
    assert timedelta(minutes=2) < begun - first_seen < timedelta(minutes=4)
    # The background has its own narratives: each was told of once, though the first attempt was refused.
    refused, *others = hook.got
    told = [one.headers["Idempotency-Key"] for one in others]
    assert refused.headers["Idempotency-Key"] in told
    assert len(told) == len(set(told))
    firing = {
        (alert["labels"]["alertname"], alert["labels"]["narrative_id"])
        for alert in monitoring.alerts()
        if alert["state"] == "firing" and "narrative_id" in alert["labels"]
    }
    assert ("CampaignDetected", narrative["narrative_id"]) in firing
    assert ("NarrativeEmerged", narrative["narrative_id"]) not in firing
    assert {one.json["group"].removeprefix("tech/") for one in others} >= {which for _, which in firing}
