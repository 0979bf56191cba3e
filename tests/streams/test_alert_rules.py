"""Rules made from other settings than the defaults."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from streams.alerts.render import rule_documents, rule_groups
from streams.alerts.rule_types import Group, Recording, quoted
from streams.cli import narrawatch
from streams.settings_fields import Settings, Watch
from tests.programs import checked, require_programs

HOSTILE = 'rachat "déguisé" \\ {{ . }}'
WATCHES = (
    Watch(name=HOSTILE, phrases=("rachat",), threshold_per_hour=4),
    Watch(name="both", phrases=("both",), desk="tech", threshold_per_hour=4, surprise=2.5),
    Watch(name="plain", phrases=("plain",)),
)

PROOF = """
rule_files: [{folder}/recording.yml, {folder}/watches.yml]
evaluation_interval: 1m
group_eval_order: [narrawatch-recording, narrawatch-watches]
tests:
  - interval: 1m
    input_series: {series}
    alert_rule_test:
      - alertname: WatchThreshold
        eval_time: 5m
        exp_alerts: {alerts}
"""


def test_a_string_of_promql_says_what_was_meant() -> None:
    assert quoted('a"b\\c\né') == '"a\\"b\\\\c\\u000aé"'


def test_texts_ask_for_no_recorded_series() -> None:
    """It may not be there yet when an alert is written for the first time."""
    for text in rule_documents(Settings()).values():
        for rule in yaml.safe_load(text)["groups"][0]["rules"]:
            assert ":narrawatch_" not in " ".join(rule.get("annotations", {}).values())


def test_an_address_is_no_template() -> None:
    rules = rule_documents(Settings(web_url="https://x.example/{{end}}"))["narratives.yml"]
    assert "https://x.example/%7B%7Bend%7D%7D/narratives/{{ $labels.narrative_id }}" in rules


def test_thresholds_come_from_the_settings() -> None:
    settings = Settings(
        alert_for_seconds=90,
        alert_surprise_decades=3.5,
        alert_lag_records=77,
        web_url="https://watch.example.org/",
        alert_runbook_url="https://example.org/runbook",
    )
    narratives, operation = (rule_documents(settings)[f"{name}.yml"] for name in ("narratives", "operation"))
    rules = {rule["alert"]: rule for rule in yaml.safe_load(narratives)["groups"][0]["rules"]}
    spiking = rules["NarrativeSpiking"]
    assert ">= 3.5 and" in spiking["expr"]
    assert spiking["for"] == "90s"
    link = "https://watch.example.org/narratives/{{ $labels.narrative_id }}"
    assert spiking["annotations"]["link"] == link
    assert spiking["annotations"]["runbook_url"] == "https://example.org/runbook#narrativespiking"
    assert "narrawatch_consumer_lag_records:sum > 77" in operation


def test_a_rule_on_a_metric_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Recording("desk:narrawatch_x:sum", "sum by (desk) (narrawatch_no_such_metric_total)")
    monkeypatch.setattr("streams.alerts.render.recording_rules", lambda: [wrong])
    with pytest.raises(ValueError, match="narrawatch_no_such_metric_total"):
        rule_groups(Settings())


def test_labels_of_an_alert_on_a_narrative_are_those_that_identify_it() -> None:
    rules = yaml.safe_load(rule_documents(Settings())["narratives.yml"])["groups"][0]["rules"]
    for rule in rules:
        kept = {name: value for name, value in rule["labels"].items() if value}
        assert kept.keys() == {"severity"}
        assert "group_left (label, language, kind)" in rule["expr"]
        assert {name for name, value in rule["labels"].items() if not value} == {"label", "language", "kind"}


class Case(NamedTuple):
    """A watch as the metrics show it."""

    watch: str
    desk: str
    surprise: float
    matches: int


@pytest.mark.parametrize(
    ("case", "fires"),
    [
        (Case(WATCHES[0].name, "any", 0.0, 4), True),
        (Case(WATCHES[0].name, "any", 9.0, 3), False),  # that of all does not hold for it
        (Case("both", "tech", 0.0, 4), True),
        (Case("both", "tech", 2.5, 0), True),
        (Case("both", "tech", 2.4, 3), False),
        (Case("both", "other", 2.6, 9), False),  # on another desk it is not this watch
        (Case("plain", "tech", 4.0, 5), True),
        (Case("plain", "tech", 3.9, 99), False),
        (Case("added later", "tech", 6.0, 8), True),
    ],
)
def test_each_watch_has_its_own_threshold(case: Case, fires: bool, tmp_path: Path) -> None:
    watch, desk, surprise, matches = case
    require_programs("promtool")
    for name, text in rule_documents(Settings(watches=WATCHES)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    labels = f"desk={quoted(desk)},watch={quoted(watch)}"
    series = [
        {"series": f"narrawatch_watch_surprise_decades{{{labels}}}", "values": f"{surprise}x9"},
        {"series": f'narrawatch_watch_observed_matches{{{labels},window="1h"}}', "values": f"{matches}x9"},
    ]
    alert = {
        "exp_labels": {"severity": "warning", "desk": desk, "watch": watch},
        "exp_annotations": {
            "summary": f"Watch {watch} crossed its threshold in {desk}",
            "description": f"{matches} matches in an hour (? expected), ? in a day;"
            f" the surprise is {surprise:.1f} decades.",
            "runbook_url": "deploy/runbook.md#watchthreshold",
            "link": f"http://127.0.0.1:8484/watches/{_percent(watch)}",
        },
    }
    proof = PROOF.format(
        folder=tmp_path,
        series=yaml.safe_dump(series, default_flow_style=True, width=10_000).strip(),
        alerts=yaml.safe_dump([alert] if fires else [], default_flow_style=True, width=10_000).strip(),
    )
    (tmp_path / "proof.yml").write_text(proof, encoding="utf-8")
    checked("promtool", "test", "rules", str(tmp_path / "proof.yml"))


def _percent(text: str) -> str:
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    return "".join(one if one in kept else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text)


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    config = tmp_path / "narrawatch.toml"
    config.write_text("alert_surprise_decades = 4.25\n", encoding="utf-8")
    run = CliRunner().invoke(
        narrawatch, ["alerts", "render", "--config", str(config), "--out", str(tmp_path / "rules")]
    )
    assert run.exit_code == 0, run.output
    assert "4.25" in (tmp_path / "rules" / "narratives.yml").read_text(encoding="utf-8")
    require_programs("promtool")
    checked("promtool", "check", "rules", *map(str, (tmp_path / "rules").iterdir()))


def test_the_command_prints_documents() -> None:
    run = CliRunner().invoke(narrawatch, ["alerts", "render"])
    assert run.exit_code == 0
    documents = list(yaml.safe_load_all(run.output))
    names = [group["name"] for document in documents for group in document["groups"]]
    assert names == [f"narrawatch-{group.name}" for group in rule_groups(Settings())]
    assert all(isinstance(group, Group) for group in rule_groups(Settings()))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = CliRunner().invoke(narrawatch, ["alerts", "render", "--out", str(tmp_path / "file" / "rules")])
    assert run.exit_code == 1
    assert "cannot write" in run.output
