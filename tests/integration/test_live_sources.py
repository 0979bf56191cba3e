"""Live sources to the broker: a third party's connector, one that fails, a broker that goes away."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import Topic
from tests.integration.ingesting import Ingester, arrived, ingest_settings, write_config
from tests.integration.live import ROOT, records, run
from tests.polite.scripted_server import Reply, ScriptedServer, scripted_server

pytestmark = pytest.mark.integration


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    return ingest_settings(tmp_path, kafka_bootstrap=broker.address, kafka_embedded=True, partitions=2)


@pytest.fixture
def gazette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Gazette"]:
    """The site of the connector that docs/sources.md shows, and that connector, installed as a package is."""
    shown = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
    (group,) = re.findall(r'\[project\.entry-points\."(.*?)"\]', shown)
    (entry,) = re.findall(r'^(gazette) = "(.*?)"$', shown, re.MULTILINE)
    packages = tmp_path / "packages"
    information = packages / "gazette_comments-1.0.dist-info"
    information.mkdir(parents=True)
    (packages / "gazette_comments.py").write_text(code, encoding="utf-8")
    (information / "METADATA").write_text("Name: gazette-comments\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(f"[{group}]\n{' = '.join(entry)}\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    with scripted_server() as server:
        site = Gazette(server)
        server.answer = site.answer
        yield site


class Gazette:
    """Comments by number; those after one are shown at its request."""

    def __init__(self, server: ScriptedServer) -> None:
        self.url = server.url
        self.comments = 30

    def answer(self, path: str, _: Mapping[str, str]) -> Reply:
        asked = re.fullmatch(r"/api/comments\?after=(\d+)", path)
        if asked is None:
            return Reply(404)
        first = int(asked[1]) + 1
        rows = [
            {"id": number, "text": f"Avis n° {number}", "by": "Anne O’Nyme"}
            for number in range(first, min(first + 10, self.comments + 1))
        ]
        return Reply(body=json.dumps(rows).encode())


def test_a_connector_of_a_third_party_reads_on_where_it_was(settings: Settings, gazette: Gazette) -> None:
    done = run(settings, "ingest", "gazette", gazette.url, "--desk", "press", "--once", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sent": 30, "failed": []}
    gazette.comments = 42
    done = run(settings, "ingest", "gazette", gazette.url, "--desk", "press", "--once", "--json")
    assert json.loads(done.stdout) == {"sent": 12, "failed": []}
    found = arrived(settings)
    assert sorted(map(int, found.now)) == list(range(1, 43))
    assert len(found.every) == 42
    assert {comment.desk for comment in found.every} == {"press"}
    assert len({comment.author for comment in found.every}) == 1
    assert b"Nyme" not in b"".join(found.raw)
    keys = {(record.key or b"").decode() for record in records(settings, Topic.CURSORS)}
    assert keys == {f"press/gazette/{gazette.url.removeprefix('http://')}"}


def test_authors_go_by_name_only_where_that_is_asked_for(settings: Settings, gazette: Gazette) -> None:
    by_name = settings.model_copy(update={"ingest_author_names": True})
    assert run(by_name, "ingest", "gazette", gazette.url, "--once").returncode == 0
    assert {comment.author for comment in arrived(settings).every} == {"Anne O’Nyme"}


def test_a_source_that_fails_does_not_stop_the_others(
    settings: Settings, gazette: Gazette, tmp_path: Path
) -> None:
    sources: list[dict[str, object]] = [
        {"kind": "feed", "url": f"{gazette.url}/no-such-feed", "name": "broken"},
        {"kind": "gazette", "url": gazette.url, "poll_seconds": 0.1},
    ]
    config = write_config(tmp_path / "narrawatch.toml", sources)
    with Ingester(settings, config, tmp_path / "log") as ingester:
        ingester.ready()
        deadline = time.monotonic() + 20
        while gazette.comments < 50 or len(arrived(settings).now) < 50:
            gazette.comments = 50
            assert time.monotonic() < deadline, ingester.log
            time.sleep(0.2)
        shown = series(ingester.metrics_url)
        health = ingester.metrics_url.replace("/metrics", "/health")
        with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310 - loopback
            assert json.load(answer) == {"status": "pass", "reasons": []}
        ingester.stop()
        assert "broken: 127.0.0.1 answers with status 404" in ingester.log
    failed = {
        labels["source"]: value
        for name, labels, value in shown
        if name == "narrawatch_ingest_failures_total" and labels["reason"] == "refused"
    }
    assert failed.pop("broken") >= 1
    assert set(failed.values()) == {0}
    sent = [v for name, labels, v in shown if name == "narrawatch_ingest_comments_total" and v]
    assert sent == [50]
    done = run(settings, "ingest", "--config", str(config), "--once")
    assert done.returncode == 1
    assert "could not read default/feed/broken" in done.stdout


def series(url: str) -> list[tuple[str, dict[str, str], float]]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        text = answer.read().decode()
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def test_it_leaves_in_time_when_the_broker_is_away(
    broker: EmbeddedBroker, settings: Settings, gazette: Gazette, tmp_path: Path
) -> None:
    config = write_config(
        tmp_path / "narrawatch.toml", [{"kind": "gazette", "url": gazette.url, "poll_seconds": 0.1}]
    )
    with Ingester(settings, config, tmp_path / "log") as ingester:
        ingester.ready()
        deadline = time.monotonic() + 20
        while len(arrived(settings).now) < 30:
            assert time.monotonic() < deadline, ingester.log
            time.sleep(0.2)
        broker.stop()
        gazette.comments = 40
        time.sleep(1.5)  # by now it tries to deliver them
        ingester.stop()


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([{"kind": "gazete"}], "no source is of kind 'gazete'; did you mean gazette?"),
        ([{"kind": "feed"}], "sources[0]: url is missing"),
        ([{"kind": "feed", "url": "https://a.example/f", "pol_seconds": 9}], "did you mean poll_seconds?"),
        (
            [{"kind": "feed", "url": "https://a.example/f", "since": "soon"}],
            "sources[0].since: 'soon'",
        ),
        ([{"kind": "feed", "url": "https://me:secret@a.example/f"}], "sources[0].url"),
        ([{"kind": "feed", "url": "https://a.example/f"}] * 2, "have the same desk and name, a.example"),
        ([{"url": "https://a.example/f"}], "sources[0].kind is missing"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_said(
    settings: Settings,
    gazette: Gazette,
    tmp_path: Path,
    sources: list[dict[str, object]],
    said: str,
) -> None:
    config = write_config(tmp_path / "narrawatch.toml", sources)
    done = run(settings, "ingest", "--config", str(config))
    assert done.returncode == 1
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
