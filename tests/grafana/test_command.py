"""`narrawatch dashboards` as it is typed: settings, exit codes, what is printed, and nothing of the token."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer

from dashboards.catalogue import BOARDS, GENERATED
from models.outcome import Event, EventType, Kind, NarrativeView, Quote, State
from streams.broker import EmbeddedBroker
from streams.cli import narrawatch
from streams.connection import producer_options
from streams.results import EventRecord
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name
from tests.grafana.fake import ADMIN, FakeGrafana, Trouble
from tests.integration.live import environment_of


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeGrafana) -> None:
    monkeypatch.setenv("NARRAWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NARRAWATCH_GRAFANA_URL", fake.url)
    monkeypatch.setenv("NARRAWATCH_GRAFANA_TOKEN", ADMIN)


def invoke(*arguments: object) -> Result:
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(narrawatch, ["dashboards", *words], prog_name="narrawatch")
    assert ADMIN not in result.output
    return result


@pytest.mark.parametrize("name", ["build", "check", "push", "annotate"])
def test_help_shows_an_example(name: str) -> None:
    result = invoke(name, "--help")
    assert f"  narrawatch dashboards {name}" in result.output.partition("Example")[2]


def test_help_needs_no_model() -> None:
    code = (
        "import sys; from streams.cli import narrawatch;"
        "narrawatch(['dashboards', '--help'], standalone_mode=False);"
        "print([name for name in ('torch', 'transformers', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_push_says_what_it_did_and_then_that_nothing_is_left_to_do(fake: FakeGrafana) -> None:
    first = invoke("push")
    assert first.exit_code == 0, first.output
    assert "create" in first.output
    assert "narrawatch-narratives" in first.output
    assert first.output.splitlines()[-1].endswith(" changed, 0 left as they are")
    second = invoke("push")
    assert second.exit_code == 0
    assert second.output.splitlines()[-1].startswith("0 changed, ")


def test_a_dry_run_is_marked_as_one(fake: FakeGrafana) -> None:
    result = invoke("push", "--dry-run")
    assert result.exit_code == 0
    assert result.output.splitlines()[0].split()[0] == "would"
    assert result.output.splitlines()[-1].endswith(" to change, 0 left as they are")
    assert fake.writes == []


def test_steps_as_json(fake: FakeGrafana) -> None:
    steps = json.loads(invoke("push", "--json", "--no-rules").stdout)
    assert {tuple(step) for step in steps} == {("kind", "name", "action", "reason")}
    assert {step["kind"] for step in steps} == {"folder", "data source", "dashboard"}


def test_what_stands_in_the_way_is_exit_code_1(fake: FakeGrafana) -> None:
    fake.boards.save({"dashboard": {"uid": "narrawatch-pipeline", "title": "Oil", "tags": []}})
    result = invoke("push")
    assert result.exit_code == 1
    assert result.stderr == "narrawatch: 1 left as they are: dashboard narrawatch-pipeline\n"
    assert "lacks the tag narrawatch" in result.stdout


def test_an_error_is_one_line_after_what_was_done(fake: FakeGrafana) -> None:
    fake.trouble.append(
        Trouble(lambda one: one.path == "/api/dashboards/db", 403, b'{"message": "no\\u001b"}')
    )
    result = invoke("push")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "the token may not create the dashboard narrawatch-narratives" in result.stderr
    assert "folder" in result.stdout


def test_no_token_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch, fake: FakeGrafana) -> None:
    monkeypatch.delenv("NARRAWATCH_GRAFANA_TOKEN")
    result = invoke("push")
    assert result.exit_code == 1
    assert "NARRAWATCH_GRAFANA_TOKEN" in result.stderr
    assert fake.requests == []


def test_a_token_on_an_open_wire_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARRAWATCH_GRAFANA_TOKEN", "not a token")
    result = invoke("push", "--grafana", "http://grafana.example")
    assert "unencrypted: use https" in result.stderr
    assert "not a token" not in result.stderr.replace("what no token has", "")


def test_thresholds_watches_and_addresses_come_from_the_settings(fake: FakeGrafana, tmp_path: Path) -> None:
    config = tmp_path / "narrawatch.toml"
    config.write_text(
        'web_url = "https://watch.example"\nalert_surprise_decades = 7\n'
        'grafana_prometheus_url = "http://prometheus:9090"\n'
        "[[watches]]\nname = 'rachat'\nphrases = ['rachat déguisé']\nthreshold_per_hour = 4\n",
        encoding="utf-8",
    )
    assert invoke("push", "--config", config).exit_code == 0
    assert fake.datasources.kept["narrawatch-prometheus"]["url"] == "http://prometheus:9090"
    spiking = fake.rules.rules["narrawatch-spiking"]
    assert spiking["data"][1]["model"]["conditions"][0]["evaluator"]["params"] == [7]
    assert spiking["annotations"]["link"].startswith("https://watch.example/narratives/")
    assert "WatchThreshold: rachat, an hour" in {rule["title"] for rule in fake.rules.rules.values()}
    board = json.dumps(fake.boards.dashboards["narrawatch-narratives"])
    assert "https://watch.example" in board
    assert ">= 7 " in board


def test_build_writes_files_and_check_compares_them(tmp_path: Path) -> None:
    out = tmp_path / "boards"
    assert invoke("check", "--out", out).exit_code == 1
    assert invoke("build", "--out", out).exit_code == 0
    assert {path.stem for path in out.iterdir()} == set(BOARDS)
    assert all((GENERATED / path.name).read_bytes() == path.read_bytes() for path in out.iterdir())
    assert invoke("check", "--out", out).exit_code == 0
    assert invoke("build", "--out", out).output == f"{out} is up to date\n"
    (out / "watches.json").write_text("{}", encoding="utf-8")
    result = invoke("check", "--out", out)
    assert (result.exit_code, "not up to date" in result.stderr, "watches.json" in result.stderr) == (
        1,
        True,
        True,
    )


# Annotations, from a real topic


NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path, fake: FakeGrafana) -> Settings:
    made = load_settings(
        kafka_bootstrap=broker.address,
        kafka_embedded=True,
        topic_prefix=f"g{fake.url.rpartition(':')[2]}-",
        partitions=2,
        data_dir=tmp_path,
        grafana_url=fake.url,
        grafana_token=ADMIN,
        web_url="https://watch.example",
    )
    create_topics(made)
    return made


def event(kind: EventType, *, minutes_ago: int, narrative_id: str = "n0000000000000001") -> EventRecord:
    at = NOW - timedelta(minutes=minutes_ago)
    quote = Quote(
        text="<i>They were bought</i>",
        author="a",
        source="s",
        thread="t",
        language="en",
        comment_id="1",
        at=at,
    )
    view = NarrativeView(
        narrative_id=narrative_id,
        label="The takeover is disguised",
        keywords=[],
        representative="",
        kind=Kind.ORGANIC,
        state=State.EMERGED,
        mentions=4,
        supporting=4,
        rebutting=0,
        copies=0,
        authors=3,
        threads={"t": 2, "u": 2},
        languages={"en": 4},
        sources={"s": 4},
        first_seen=at,
        last_seen=at,
        emerged_at=at,
        aliases=[],
        quotes=[quote],
    )
    one = Event(type=kind, narrative_id=narrative_id, at=at, mentions=4, narrative=view, trigger={})
    return EventRecord(desk="tech", **msgspec.structs.asdict(one))


def publish(settings: Settings, *values: bytes) -> None:
    producer = KafkaProducer(**producer_options(settings))
    for value in values:
        producer.send(topic_name(settings, Topic.EVENTS), value, key=b"tech")
    producer.flush(30)
    producer.close()


def annotate(settings: Settings, *arguments: str) -> Result:
    result = CliRunner().invoke(
        narrawatch,
        ["dashboards", "annotate", *arguments],
        prog_name="narrawatch",
        env=environment_of(settings) | {"NARRAWATCH_GRAFANA_TOKEN": ADMIN},
    )
    assert ADMIN not in result.output
    return result


@pytest.mark.integration
def test_events_of_the_topic_become_annotations_once(settings: Settings, fake: FakeGrafana) -> None:
    encode = msgspec.json.encode
    emerged = encode(event(EventType.EMERGED, minutes_ago=30))
    publish(
        settings,
        encode(event(EventType.EMERGED, minutes_ago=3_000, narrative_id="n00000000000000ff")),  # too old
        emerged,
        b"\xff not an event",
        emerged,  # again, after a crash
        encode(event(EventType.SPIKING, minutes_ago=10)),
        encode(event(EventType.FADED, minutes_ago=5)),
    )
    first = annotate(settings, "--since", "1d")
    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines()[-1] == "2 changed, 1 left as they are"
    assert [one["tags"][1] for one in reversed(fake.annotations.kept)] == ["emerged", "spiking"]
    assert "https://watch.example/narratives/n0000000000000001" in fake.annotations.kept[0]["text"]
    assert "&lt;i&gt;They were bought" in fake.annotations.kept[0]["text"]
    assert annotate(settings).stdout.splitlines()[-1] == "0 changed, 3 left as they are"


@pytest.mark.integration
def test_no_topic_of_events_is_said(settings: Settings) -> None:
    missing = settings.model_copy(update={"topic_prefix": "nowhere-"})
    result = annotate(missing)
    assert result.exit_code == 1
    assert "lacks the topic nowhere-events: run narrawatch topics create" in result.stderr
