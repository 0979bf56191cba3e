"""The rules that are committed: made from the settings, right in Prometheus' eyes, each proven both ways."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.alerts.render import alert_names, rule_documents
from streams.settings_fields import Settings
from tests.programs import checked, require_programs

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
ALERTS = alert_names(Settings())


def test_the_committed_rules_are_those_of_the_defaults() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in RULES.iterdir()}
    # If this fails: narrawatch alerts render --out deploy/prometheus/rules
    assert committed == rule_documents(Settings())


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    require_programs("promtool")
    said = checked("promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    assert "4 rule files found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_are_silent_before_and_say_the_right_words_after(path: Path) -> None:
    require_programs("promtool")
    checked("promtool", "test", "rules", str(path))


def proofs() -> dict[str, set[bool]]:
    """For each alert whether it is expected to be silent (False), to fire (True), or both."""
    found: dict[str, set[bool]] = {}
    for path in TESTS:
        document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for test in document["tests"]:
            for expectation in test["alert_rule_test"]:
                fires = bool(expectation["exp_alerts"])
                found.setdefault(expectation["alertname"], set()).add(fires)
                for alert in expectation["exp_alerts"]:
                    assert {"summary", "description", "runbook_url"} <= alert["exp_annotations"].keys()
    return found


def test_every_alert_is_proven_both_ways() -> None:
    assert proofs() == {name: {False, True} for name in ALERTS}


def test_every_alert_has_an_entry_in_the_runbook_and_the_other_way_round() -> None:
    runbook = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+)$", runbook, re.MULTILINE)) == sorted(ALERTS)
    for entry in runbook.split("\n### ")[1:]:
        assert re.findall(r"^\*\*(Meaning|Look at|Do)\.\*\* \S", entry, re.MULTILINE) == [
            "Meaning",
            "Look at",
            "Do",
        ], entry


def test_what_the_runbook_names_exists() -> None:
    runbook = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:alert|notify|broken_stream|label_api)_\w+)`", runbook))
    assert named - {"broken_stream_"} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_to_do(name: str) -> None:
    rules = [
        rule
        for path in RULES.iterdir()
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if rule.get("alert") == name
    ]
    (rule,) = rules
    assert "for" in rule
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["runbook_url"] == f"deploy/runbook.md#{name.lower()}"
