"""Alert rules as Grafana manages them, for those who alert from Grafana and not from Alertmanager.

They say the same as the rules for Prometheus where Grafana can: the same figures, names, severities, pages. A
rule asks for the figure (A) and compares it (C), so that Grafana shows it. What a narrative says is a label
of its alerts here, for Grafana's texts know nothing else; group notifications by desk and narrative_id.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from dashboards.promql import increase, is_, max_by, quantile, select, sum_by
from dashboards.thresholds import Thresholds
from streams.metric_specs import (
    COMMENT_TO_METRIC,
    COMMENTS_REJECTED,
    CONSUMER_LAG,
    EMBED,
    INGEST_LAST_POLL,
    NARRATIVE,
    NARRATIVE_EMERGED,
    NARRATIVE_OBSERVED,
    NARRATIVE_SURPRISE,
    SOURCE_LAST_COMMENT,
    WATCH_OBSERVED,
    WATCH_SURPRISE,
    WEB_LAG,
)

__all__ = ["MANAGED", "RULE_PREFIX", "WatchLimits", "alert_rules"]

RULE_PREFIX: Final = "narrawatch-"
MANAGED: Final = ("managed_by", "narrawatch")  # the label that all of our rules bear

_ONE: Final = "desk, narrative_id"
_WINDOW_SECONDS: Final = 600  # how far back Grafana looks for the last value
_INTERVAL_MS: Final = 1_000
_MAX_POINTS: Final = 43_200
_LASTING_SECONDS: Final = 600
_SCRAPES_SECONDS: Final = 120

NoData = Literal["OK", "NoData"]


class WatchLimits(NamedTuple):
    """The thresholds of a watch that has some of its own. desk: None for all of them."""

    name: str
    desk: str | None = None
    matches_per_hour: int | None = None
    surprise_decades: float | None = None


class _Rule(NamedTuple):
    name: str  # of the uid
    title: str
    group: str
    expression: str
    condition: Literal["gt", "lt"]
    limit: float
    severity: Literal["info", "warning", "critical"]
    summary: str
    description: str
    for_seconds: int = 0
    link: str = ""
    no_data: NoData = "OK"


def alert_rules(
    *,
    thresholds: Thresholds,
    watches: Sequence[WatchLimits],
    web_url: str,
    datasource_uid: str,
    folder_uid: str,
) -> list[dict[str, Any]]:
    """The rules as Grafana's provisioning API takes them."""
    rules = _narratives(thresholds, web_url)
    rules += [*_watches(thresholds, watches, web_url), *_operation(thresholds)]
    return [_provisioned(rule, datasource_uid, folder_uid) for rule in rules]


def _narratives(limits: Thresholds, web_url: str) -> list[_Rule]:
    link = f"{web_url.rstrip('/')}/narratives/{{{{ $labels.narrative_id }}}}"
    age = f"time() - {max_by(_ONE, select(NARRATIVE_EMERGED))}"
    return [
        _Rule(
            name="emerged",
            title="NarrativeEmerged",
            group="narratives",
            expression=_named(age),
            condition="lt",
            limit=limits.emerged_seconds,
            severity="info",
            summary="New in {{ $labels.desk }}: {{ $labels.label }}",
            description="It emerged {{ $values.A.Value | humanizeDuration }} ago: read its quotes.",
            for_seconds=limits.for_seconds,
            link=link,
        ),
        _Rule(
            name="spiking",
            title="NarrativeSpiking",
            group="narratives",
            expression=_named(_enough(limits)),
            condition="gt",
            limit=limits.surprise_decades,
            severity="warning",
            summary="Spiking in {{ $labels.desk }}: {{ $labels.label }}",
            description='The surprise is {{ printf "%.1f" $values.A.Value }} decades: what set it off?',
            for_seconds=limits.for_seconds,
            link=link,
        ),
    ]


def _named(expression: str) -> str:
    """With what the narratives say; one wording, where two workers have two."""
    info = f"topk by ({_ONE}) (1, {max_by(f'{_ONE}, label', select(NARRATIVE))})"
    return f"({expression}) * on ({_ONE}) group_left (label) {info}"


def _enough(limits: Thresholds) -> str:
    observed = max_by(_ONE, select(NARRATIVE_OBSERVED))
    return f"{max_by(_ONE, select(NARRATIVE_SURPRISE))} and on ({_ONE}) {observed} >= {limits.min_mentions}"


def _watches(limits: Thresholds, watches: Sequence[WatchLimits], web_url: str) -> list[_Rule]:
    link = f'{web_url.rstrip("/")}/watches/{{{{ reReplaceAll "[+]" "%20" (urlquery $labels.watch) }}}}'
    own = [watch for watch in watches if watch.matches_per_hour or watch.surprise_decades]
    usual = _watch_rule("watch", "WatchThreshold", _others(limits, own), limits.surprise_decades)
    rules = [usual, *(rule for watch in own for rule in _own_rules(watch))]
    return [rule._replace(link=link, for_seconds=limits.for_seconds) for rule in rules]


def _own_rules(watch: WatchLimits) -> Iterator[_Rule]:
    key = hashlib.sha256(f"{watch.desk or ''}\n{watch.name}".encode()).hexdigest()[:12]
    title = f"WatchThreshold: {watch.name}" + (f" ({watch.desk})" if watch.desk else "")
    if watch.surprise_decades is not None:
        surprise = max_by("desk, watch", select(WATCH_SURPRISE, **_matchers(watch)))
        yield _watch_rule(f"watch-{key}", title, surprise, watch.surprise_decades)
    if watch.matches_per_hour is not None:
        hour = max_by("desk, watch", select(WATCH_OBSERVED, **_matchers(watch), window=is_("1h")))
        # "At least" is what the setting says, and Grafana compares with "more than".
        yield _watch_rule(f"watch-hour-{key}", f"{title}, an hour", hour, watch.matches_per_hour - 0.5)


def _watch_rule(name: str, title: str, expression: str, limit: float) -> _Rule:
    return _Rule(
        name=name,
        title=title,
        group="watches",
        expression=expression,
        condition="gt",
        limit=limit,
        severity="warning",
        summary="Watch {{ $labels.watch }} crossed its threshold in {{ $labels.desk }}",
        description='It stands at {{ printf "%.1f" $values.A.Value }}: read its matches.',
    )


def _others(limits: Thresholds, own: Sequence[WatchLimits]) -> str:
    surprise = max_by("desk, watch", select(WATCH_SURPRISE))
    observed = max_by("desk, watch", select(WATCH_OBSERVED))
    usual = f"{surprise} and on (desk, watch) {observed} >= {limits.min_mentions}"
    if not own:
        return usual
    theirs = " or ".join(select(WATCH_SURPRISE, **_matchers(watch)) for watch in own)
    return f"({usual}) unless on (desk, watch) ({theirs})"


def _matchers(watch: WatchLimits) -> dict[str, str]:
    found = {"watch": is_(_escaped(watch.name))}
    return found if watch.desk is None else {"desk": is_(watch.desk), **found}


def _escaped(text: str) -> str:
    """For a string of PromQL."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _operation(limits: Thresholds) -> list[_Rule]:
    lag = sum_by("topic", max_by("topic, partition", select(CONSUMER_LAG)))
    refused = sum_by("reason", increase(COMMENTS_REJECTED, "15m"))
    silent = f"time() - {max_by('desk, source', select(SOURCE_LAST_COMMENT))}"
    common: dict[str, Any] = {"group": "operation", "condition": "gt", "severity": "warning"}
    return [
        _Rule(
            name="lag",
            title="ConsumerLagHigh",
            expression=lag,
            limit=limits.lag_records,
            summary='{{ printf "%.0f" $values.A.Value }} records wait in {{ $labels.topic }}',
            description="Comments come in faster than they are read: start workers, or find one that hangs.",
            for_seconds=_LASTING_SECONDS,
            no_data="NoData",  # no worker at all would have no lag
            **common,
        ),
        _Rule(
            name="dead-letters",
            title="DeadLetters",
            expression=refused,
            limit=limits.dead_letters,
            summary='{{ printf "%.0f" $values.A.Value }} comments were put aside as {{ $labels.reason }}',
            description="So many in a quarter of an hour: run narrawatch dead-letters list, mend the source.",
            for_seconds=0,
            **common,
        ),
        _Rule(
            name="late",
            title="CommentsLate",
            expression=quantile(0.95, COMMENT_TO_METRIC, "10m"),
            limit=limits.delay_seconds,
            summary="Comments take {{ $values.A.Value | humanizeDuration }} to show",
            description="So long it takes one comment in twenty from its arrival to the metrics.",
            for_seconds=_LASTING_SECONDS,
            **common,
        ),
        _Rule(
            name="embedding",
            title="EmbeddingSlow",
            expression=quantile(0.95, EMBED, "10m"),
            limit=limits.embed_seconds,
            summary="A batch takes {{ $values.A.Value | humanizeDuration }} to embed",
            description="One batch in twenty takes longer: the processor is too busy.",
            for_seconds=_LASTING_SECONDS,
            **common,
        ),
        _Rule(
            name="silent",
            title="SourceSilent",
            expression=silent,
            limit=limits.source_silent_seconds,
            summary="No comment from {{ $labels.source }} for {{ $values.A.Value | humanizeDuration }}",
            description="See whether the site is up, and whether its collector still runs.",
            for_seconds=_LASTING_SECONDS,
            **common,
        ),
        _Rule(
            name="failing",
            title="SourceFailing",
            expression=f"time() - {max_by('desk, source', select(INGEST_LAST_POLL))}",
            limit=limits.source_failing_seconds,
            summary="{{ $labels.source }} was not read for {{ $values.A.Value | humanizeDuration }}",
            description="Every attempt to read this live source has failed since; the other sources go on.",
            for_seconds=_SCRAPES_SECONDS,
            **common,
        ),
        _Rule(
            name="page",
            title="PageBehind",
            expression=sum_by("instance", select(WEB_LAG)),
            limit=limits.lag_records,
            summary='The page at {{ $labels.instance }} is {{ printf "%.0f" $values.A.Value }} records late',
            description="What it shows is not up to date: see its log, its disk, and the broker.",
            for_seconds=_LASTING_SECONDS,
            **common,
        ),
    ]


def _provisioned(rule: _Rule, datasource_uid: str, folder_uid: str) -> dict[str, Any]:
    texts = {"summary": rule.summary, "description": rule.description}
    return {
        "uid": RULE_PREFIX + rule.name,
        "orgID": 1,  # Grafana takes that of the token
        "folderUID": folder_uid,
        "ruleGroup": f"{RULE_PREFIX}{rule.group}",
        "title": rule.title,
        "condition": "C",
        "data": [_question(rule, datasource_uid), _comparison(rule)],
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "for": _duration(rule.for_seconds),
        "annotations": texts | ({"link": rule.link} if rule.link else {}),
        "labels": {MANAGED[0]: MANAGED[1], "severity": rule.severity},
        "isPaused": False,
    }


def _question(rule: _Rule, datasource_uid: str) -> dict[str, Any]:
    model = {"expr": rule.expression, "instant": True, "range": False, "editorMode": "code"}
    return _step("A", datasource_uid, _WINDOW_SECONDS, model)


def _comparison(rule: _Rule) -> dict[str, Any]:
    model = {
        "type": "threshold",
        "expression": "A",
        "datasource": {"type": "__expr__", "uid": "__expr__"},
        "conditions": [{"evaluator": {"type": rule.condition, "params": [rule.limit]}}],
    }
    return _step("C", "__expr__", 0, model)


def _step(ref: str, datasource_uid: str, seconds: int, model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "refId": ref,
        "queryType": "",
        "datasourceUid": datasource_uid,
        "relativeTimeRange": {"from": seconds, "to": 0},
        # Grafana adds the last two where they are missing; a comparison would find a difference.
        "model": {**model, "refId": ref, "intervalMs": _INTERVAL_MS, "maxDataPoints": _MAX_POINTS},
    }


def _duration(seconds: int) -> str:
    """As Grafana writes it back: days only where they are whole, then hours, minutes, seconds."""
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if unit == "d" and seconds % length:
            continue
        count, seconds = divmod(seconds, length)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"
