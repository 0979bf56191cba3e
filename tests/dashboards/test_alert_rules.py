"""Alert rules of Grafana: of declared metrics, complete, and answered by a real Prometheus."""

import operator
import re
from typing import Any

import pytest

from dashboards.alert_rules import WatchLimits, alert_rules
from dashboards.thresholds import Thresholds
from streams.metric_specs import ALL_METRICS
from tests.dashboards.world import DESK, END, LABEL, WATCH
from tests.prometheus import Prometheus

# Limits that the world of the tests reaches.
LIMITS = Thresholds(surprise_decades=4.0, emerged_seconds=7_200, source_silent_seconds=3_600)
WATCHES = [
    WatchLimits(WATCH, DESK, matches_per_hour=2, surprise_decades=1.5),
    WatchLimits('quotes " and \\ slashes', None, surprise_decades=2.0),
    WatchLimits("of no limits of its own"),
]
RULES = alert_rules(
    thresholds=LIMITS,
    watches=WATCHES,
    web_url="https://watch.example/",
    datasource_uid="prom",
    folder_uid="narrawatch",
)
BY_UID = {rule["uid"]: rule for rule in RULES}


def expression(rule: dict[str, Any]) -> str:
    text: str = rule["data"][0]["model"]["expr"]
    return text


def fires(prometheus: Prometheus, rule: dict[str, Any], at: float = END) -> list[dict[str, str]]:
    """The alerts of a rule, compared as Grafana compares."""
    evaluator = rule["data"][1]["model"]["conditions"][0]["evaluator"]
    compare = {"gt": operator.gt, "lt": operator.lt}[evaluator["type"]]
    (limit,) = evaluator["params"]
    found = prometheus.instant(expression(rule), at)
    return [one["metric"] for one in found if compare(float(one["value"][1]), limit)]


def test_uids_and_titles_are_unique_and_short_enough() -> None:
    assert len(BY_UID) == len(RULES) == len({rule["title"] for rule in RULES})
    assert all(re.fullmatch(r"narrawatch-[a-z0-9-]{1,29}", uid) for uid in BY_UID)
    long = WatchLimits("w" * 64, "d" * 64, matches_per_hour=1)
    rules = alert_rules(
        thresholds=LIMITS, watches=[long], web_url="http://w", datasource_uid="p", folder_uid="f"
    )
    assert all(len(rule["title"]) <= 190 for rule in rules)


@pytest.mark.parametrize("uid", BY_UID)
def test_a_rule_names_declared_metrics_and_explains_itself(uid: str) -> None:
    rule = BY_UID[uid]
    known = {spec.name for spec in ALL_METRICS} | {
        spec.name + "_bucket" for spec in ALL_METRICS if spec.kind == "histogram"
    }
    assert set(re.findall(r"\bnarrawatch_\w+", expression(rule))) <= known
    # The variables of dashboards are not there; a watch may have such a name.
    assert "$" not in expression(rule).replace(WATCH, "")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    about_one = rule["ruleGroup"] != "narrawatch-operation"
    assert about_one is ("https://watch.example/" in rule["annotations"].get("link", ""))


@pytest.mark.parametrize("uid", [uid for uid in BY_UID if "watch-" not in uid or uid.count("-") == 1])
def test_a_rule_gets_an_answer(prometheus: Prometheus, uid: str) -> None:
    assert prometheus.instant(expression(BY_UID[uid]), END)


@pytest.mark.parametrize("uid", [uid for uid in BY_UID if uid.startswith("narrawatch-watch-")])
def test_a_watch_of_any_name_is_a_valid_question(prometheus: Prometheus, uid: str) -> None:
    found = prometheus.instant(expression(BY_UID[uid]), END)
    assert {(one["metric"]["desk"], one["metric"]["watch"]) for one in found} <= {(DESK, WATCH)}


def test_only_what_emerged_lately_is_new(prometheus: Prometheus) -> None:
    alerts = fires(prometheus, BY_UID["narrawatch-emerged"])
    # Twelve narratives of each of two desks, half an hour apart, the last half an hour ago.
    assert len(alerts) == 6
    assert {"desk", "narrative_id", "label"} == set(alerts[0])


def test_a_spike_alerts_while_it_lasts_and_says_what_it_is(prometheus: Prometheus) -> None:
    rule = BY_UID["narrawatch-spiking"]
    spans = [fires(prometheus, rule, END - minute * 60) for minute in range(0, 120, 5)]
    chosen = [any(alert["label"] == LABEL for alert in alerts) for alerts in spans]
    assert any(chosen)
    assert not all(chosen)


def test_a_watch_with_limits_is_in_no_other_rule(prometheus: Prometheus) -> None:
    usual = fires_ever(prometheus, "narrawatch-watch")
    assert (DESK, WATCH) not in usual
    assert ("security", WATCH) in usual  # that of the other desk has none of its own
    assert (DESK, "data centres") in usual


def fires_ever(prometheus: Prometheus, uid: str) -> set[tuple[str, str]]:
    moments = (END - minute * 60 for minute in range(0, 350, 5))
    return {
        (alert["desk"], alert["watch"])
        for moment in moments
        for alert in fires(prometheus, BY_UID[uid], moment)
    }


def test_matches_an_hour_count_from_the_number_itself(prometheus: Prometheus) -> None:
    (rule,) = [one for one in RULES if one["title"].endswith(", an hour")]
    assert rule["data"][1]["model"]["conditions"][0]["evaluator"]["params"] == [1.5]
    assert fires(prometheus, rule)


def test_a_silent_source_is_told_from_others(prometheus: Prometheus) -> None:
    alerts = fires(prometheus, BY_UID["narrawatch-silent"])
    assert {alert["source"] for alert in alerts} == {"quiet.example"}


def test_no_worker_at_all_is_not_silence() -> None:
    assert BY_UID["narrawatch-lag"]["noDataState"] == "NoData"
    assert BY_UID["narrawatch-spiking"]["noDataState"] == "OK"
