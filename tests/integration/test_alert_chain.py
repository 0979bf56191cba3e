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
from streams.topics import Topic, create_topics
from tests.integration.live import ROOT, Line, Worker, environment_of, records, send, wait_until_done
from tests.programs import require_programs
from tests.streams.webhook_receiver import Answer, Got, Hook, webhook_receiver

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "streams" / "samples" / "comments.jsonl"
PATIENCE_SECONDS = 60.0
CONFIG = """
notify_allow_private = true
notify_listen_port = 0
notify_metrics_port = 0
[[notify]]
name = "newsroom"
url = "{url}"
"""


def recent_sample() -> list[Line]:
    """The sample, as if it ended a minute ago."""
    comments = [json.loads(line) for line in SAMPLE.read_bytes().splitlines()]
    last = datetime.fromisoformat(comments[-1]["created_at"])
    shift = datetime.now(UTC) - timedelta(minutes=1) - last
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
        route |= {"group_wait": "2s", "group_interval": "3s"}
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


def delivered(hook: Hook) -> list[Got]:
    """What was answered with 200: all but the first attempt."""
    return hook.got[1:]


def test_a_narrative_that_emerges_is_one_notification_with_its_quotes(
    chain: tuple[Settings, Hook, Worker, Monitoring],
) -> None:
    settings, hook, worker, monitoring = chain
    send(settings, recent_sample())
    wait_until_done(settings)
    print("done", worker.metric("narrawatch_comments_total"))
    deadline = time.monotonic() + 25
    print(len(records(settings, Topic.EVENTS)))
    while True:
        print(time.monotonic() - deadline, len(monitoring.alerts()), len(hook.got), [(a["labels"], a["state"]) for a in monitoring.alerts()][:3])
        time.sleep(2)
        if time.monotonic() > deadline: break
    for got in hook.got: print(got.json["title"], got.json["type"], got.json["text"])
    raise AssertionError
