"""Events as annotations: each once, with tags to find them by, and nothing that a stranger wrote as HTML."""

from datetime import UTC, datetime

import pytest

from dashboards.annotations import Happening, annotate
from dashboards.catalogue import all_models
from dashboards.connection import Grafana
from tests.grafana.fake import FakeGrafana, Request, Trouble

AT_MS = round(datetime(2026, 11, 28, 9, 30, tzinfo=UTC).timestamp() * 1000)
EMERGED = Happening(
    kind="emerged",
    desk="french-tech",
    narrative_id="n00000000000000a1",
    at_ms=AT_MS,
    label="Le rachat est <b>déguisé</b>",
    quote='<script>alert("x")</script> & co',
    authors=3,
    threads=2,
    mentions=4,
)
SPIKING = EMERGED._replace(kind="spiking", at_ms=AT_MS + 60_000)
WEB = "https://watch.example/"


def annotated(grafana: Grafana, *happenings: Happening, dry_run: bool = False) -> list[str]:
    return [step.action for step in annotate(grafana, happenings, WEB, dry_run=dry_run)]


def test_each_event_is_written_once(grafana: Grafana, fake: FakeGrafana) -> None:
    assert annotated(grafana, EMERGED, SPIKING) == ["create", "create"]
    assert annotated(grafana, EMERGED, SPIKING) == ["leave", "leave"]
    assert len(fake.annotations.kept) == 2


def test_the_same_event_twice_in_a_stream_is_one(grafana: Grafana, fake: FakeGrafana) -> None:
    assert annotated(grafana, EMERGED, EMERGED) == ["create", "leave"]
    assert len(fake.annotations.kept) == 1


@pytest.mark.parametrize(
    "other",
    [
        EMERGED._replace(kind="spiking"),
        EMERGED._replace(desk="security"),
        EMERGED._replace(narrative_id="n00000000000000a2"),
        EMERGED._replace(at_ms=AT_MS + 1),
    ],
)
def test_another_event_is_another_annotation(grafana: Grafana, other: Happening) -> None:
    assert annotated(grafana, EMERGED, other) == ["create", "create"]


def test_a_better_label_makes_no_second_annotation(grafana: Grafana) -> None:
    annotated(grafana, EMERGED)
    assert annotated(grafana, EMERGED._replace(label="Refined", mentions=9)) == ["leave"]


def test_tags_are_what_dashboards_look_for(grafana: Grafana, fake: FakeGrafana) -> None:
    annotated(grafana, EMERGED)
    (kept,) = fake.annotations.kept
    assert kept["time"] == AT_MS
    tags = set(kept["tags"])
    assert {"narrawatch", "emerged", "french-tech", "n00000000000000a1"} < tags
    for model in all_models().values():
        (mark,) = [one for one in model["annotations"]["list"] if one["name"] == "pushed"]
        looked_for = {tag.replace("$narrative", EMERGED.narrative_id) for tag in mark["target"]["tags"]}
        assert looked_for <= tags


def test_what_strangers_wrote_is_text(grafana: Grafana, fake: FakeGrafana) -> None:
    annotated(grafana, EMERGED)
    text = fake.annotations.kept[0]["text"]
    assert "<script" not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co" in text
    assert "Le rachat est &lt;b&gt;" in text
    assert '<a href="https://watch.example/narratives/n00000000000000a1">' in text
    assert "4 mentions, 3 authors, 2 threads" in text


def test_long_names_are_cut_to_what_a_tag_takes(grafana: Grafana, fake: FakeGrafana) -> None:
    assert annotated(grafana, EMERGED._replace(desk="d" * 300)) == ["create"]
    assert annotated(grafana, EMERGED._replace(desk="d" * 300)) == ["leave"]


def test_a_dry_run_writes_nothing(grafana: Grafana, fake: FakeGrafana) -> None:
    assert annotated(grafana, EMERGED, dry_run=True) == ["create"]
    assert fake.annotations.kept == []


def test_a_lost_answer_makes_no_second_annotation(grafana: Grafana, fake: FakeGrafana) -> None:
    def a_write(request: Request) -> bool:
        return request.writes

    fake.trouble.append(Trouble(a_write, 500, after=True))
    assert annotated(grafana, EMERGED) == ["create"]
    assert len(fake.annotations.kept) == 1
