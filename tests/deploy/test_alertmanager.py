"""Alertmanager's configuration: it takes it, and whoever should be told of an alert is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.alerts.render import alert_names, rule_documents
from streams.notify.bridge import PATH
from streams.settings_fields import Settings
from tests.programs import checked, require_programs

FOLDER = Path(__file__).parents[2] / "deploy" / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"


def configuration() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return loaded


def test_alertmanager_takes_it() -> None:
    require_programs("amtool")
    said = checked("amtool", "check-config", str(CONFIG))
    assert "1 templates" in said


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=NarrativeEmerged severity=info desk=tech narrative_id=n1", "analysts"),
        ("alertname=NarrativeSpiking severity=warning desk=tech narrative_id=n1", "analysts-mail,analysts"),
        ("alertname=CampaignDetected severity=warning desk=tech narrative_id=n1", "analysts-mail,analysts"),
        ("alertname=NarrativeEmerged severity=info desk=security narrative_id=n1", "analysts"),
        (
            "alertname=NarrativeSpiking severity=warning desk=security narrative_id=n1",
            "security-mail,analysts",
        ),
        ("alertname=WatchThreshold severity=warning desk=tech watch=rachat", "analysts-mail,analysts"),
        ("alertname=WorkerDown severity=critical job=narrawatch instance=w1", "operators-urgent"),
        ("alertname=StreamBroken severity=critical instance=w1", "operators-urgent"),
        ("alertname=ConsumerLagHigh severity=warning topic=comments", "operators"),
        ("alertname=SourceSilent severity=warning desk=tech source=hn", "operators"),
    ],
)
def test_who_is_told(labels: str, receivers: str) -> None:
    require_programs("amtool")
    checked(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={CONFIG}",
        f"--verify.receivers={receivers}",
        *labels.split(),
    )


def test_one_narrative_is_one_group() -> None:
    (route,) = [one for one in configuration()["route"]["routes"] if one["matchers"] == ['narrative_id!=""']]
    assert route["group_by"] == ["desk", "narrative_id"]
    assert all("group_by" not in child for child in route["routes"])


def test_inhibition_names_alerts_that_exist() -> None:
    names = set(alert_names(Settings()))
    for rule in configuration()["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, _, values = matcher.partition("=")
            assert label == "alertname"
            assert set(values.lstrip("~").strip('"').split("|")) <= names


def test_inhibited_alerts_have_the_labels_that_must_be_equal() -> None:
    """Two alerts that both lack a label are equal in it: an inhibition by instance would silence all."""
    documents = "".join(rule_documents(Settings()).values())
    for name in ("WorkerNotReady", "EmbeddingSlow", "CommentsLate"):
        rule = documents.split(f"alert: {name}\n")[1].split("- alert:")[0]
        assert "$labels.instance" in rule


def test_secrets_are_in_files() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    assert "password:" not in text
    assert "smtp_auth_password_file: secrets/" in text


def test_addresses_are_those_that_settings_have_by_default() -> None:
    settings = Settings()
    prometheus = yaml.safe_load((FOLDER.parent / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        job["job_name"]: [target for one in job["static_configs"] for target in one["targets"]]
        for job in prometheus["scrape_configs"]
    }
    assert targets["narrawatch"] == [f"{settings.metrics_host}:{settings.metrics_port}"]
    assert targets["narrawatch-notify"] == [f"{settings.metrics_host}:{settings.notify_metrics_port}"]
    assert targets["narrawatch-ingest"] == [f"{settings.metrics_host}:{settings.ingest_metrics_port}"]
    assert targets["narrawatch-web"] == [f"{settings.metrics_host}:{settings.web_metrics_port}"]
    bridge = f"http://{settings.notify_listen_host}:{settings.notify_listen_port}{PATH}"
    webhooks = [
        webhook["url"]
        for receiver in configuration()["receivers"]
        for webhook in receiver.get("webhook_configs", ())
    ]
    assert set(webhooks) == {bridge}


def test_nothing_is_remembered_for_a_shorter_time_than_it_is_not_to_be_repeated() -> None:
    """Alertmanager forgets what it has told after 120 hours, unless it is started with another figure."""
    for route in configuration()["route"]["routes"]:
        assert int(route.get("repeat_interval", "12h").removesuffix("h")) <= 120
