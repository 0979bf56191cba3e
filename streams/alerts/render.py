"""Makes YAML of the rules, and refuses a rule that names a metric which does not exist."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from streams.alerts.narrative_rules import narrative_rules
from streams.alerts.operation_rules import operation_rules
from streams.alerts.recording_rules import recording_rules
from streams.alerts.rule_types import Alert, Group, Recording
from streams.alerts.watch_rules import watch_rules
from streams.metric_specs import ALL_METRICS
from streams.settings_fields import Settings

__all__ = ["alert_names", "rule_documents", "rule_groups"]

_HEADER = "# Made by `narrawatch alerts render` from the settings: change those, and make it again.\n"
_WIDTH = 110
_RECORDED = re.compile(r"\b[a-z_]+:narrawatch_\w+:\w+\b")
_NAMED = re.compile(r"\bnarrawatch_\w+")
_HISTOGRAM_SERIES = ("_bucket", "_sum", "_count")


def rule_groups(settings: Settings) -> list[Group]:
    """All rules of these settings.  Raises ValueError when one names a metric that is not in the table."""
    groups = [
        Group("recording", recording_rules()),
        Group("narratives", narrative_rules(settings)),
        Group("watches", watch_rules(settings)),
        Group("operation", operation_rules(settings)),
    ]
    _check_names(groups)
    return groups


def rule_documents(settings: Settings) -> dict[str, str]:
    """The files of rules by their names, ready for Prometheus."""
    return {
        f"{group.name}.yml": _HEADER + _dump({"groups": [_group(group, settings)]})
        for group in rule_groups(settings)
    }


def alert_names(settings: Settings) -> list[str]:
    """The names of all alerts, in order, each once."""
    alerts = (rule for group in rule_groups(settings) for rule in group.rules if isinstance(rule, Alert))
    return list(dict.fromkeys(alert.name for alert in alerts))


def _group(group: Group, settings: Settings) -> dict[str, Any]:
    rules = [
        {"record": rule.record, "expr": rule.expr} if isinstance(rule, Recording) else _alert(rule, settings)
        for rule in group.rules
    ]
    return {"name": f"narrawatch-{group.name}", "rules": rules}


def _alert(alert: Alert, settings: Settings) -> dict[str, Any]:
    annotations = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{settings.alert_runbook_url}#{alert.name.lower()}",
    }
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expr, "for": _duration(alert.for_seconds)}
    if alert.keep_firing_seconds:
        rule["keep_firing_for"] = _duration(alert.keep_firing_seconds)
    # A label that is set to nothing is not there: what the join brought in for the texts alone.
    labels = {"severity": alert.severity, **dict.fromkeys(alert.dropped, "")}
    link = {} if alert.link is None else {"link": alert.link}
    return rule | {"labels": labels, "annotations": annotations | link}


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m" if seconds and seconds % 60 == 0 else f"{seconds}s"


def _dump(document: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


def _check_names(groups: list[Group]) -> None:
    exposed = set(_exposed())
    recorded = {rule.record for group in groups for rule in group.rules if isinstance(rule, Recording)}
    for group in groups:
        for rule in group.rules:
            text = rule.expr if isinstance(rule, Recording) else f"{rule.expr} {rule.description}"
            unknown = set(_RECORDED.findall(text)) - recorded
            unknown |= set(_NAMED.findall(_RECORDED.sub("", text))) - exposed
            if unknown:
                raise ValueError(f"rule {rule[0]} names what is not there: {', '.join(sorted(unknown))}")


def _exposed() -> Iterator[str]:
    for spec in ALL_METRICS:
        if spec.kind == "histogram":
            yield from (spec.name + ending for ending in _HISTOGRAM_SERIES)
        else:
            yield spec.name
