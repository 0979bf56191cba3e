"""What analysts are told of watches: matches crossed a threshold, that of the watch or the one of all.

A watch with thresholds of its own has a condition of its own; the first condition is for all others, also for
those that are added while workers run. It is one rule: two of the same name and labels are an error.
"""

from collections.abc import Sequence

from streams.alerts.rule_types import Alert, figure, page, quoted
from streams.settings_fields import Settings, Watch

__all__ = ["watch_rules"]

_BY = ("desk", "watch")
_SURPRISE = "desk_watch:narrawatch_watch_surprise_decades:max"
_OBSERVED = "desk_watch_window:narrawatch_watch_observed_matches:max"
_KEEP_SECONDS = 900


def watch_rules(settings: Settings) -> list[Alert]:
    """The alert on watches."""
    own = [watch for watch in settings.watches if watch.threshold_per_hour or watch.surprise]
    conditions = [_of_all(settings, own), *(_of(watch) for watch in own)]
    return [_alert(settings, " or ".join(conditions))]


def _alert(settings: Settings, expr: str) -> Alert:
    name = '{{ reReplaceAll "[+]" "%20" (urlquery $labels.watch) }}'
    hour = figure("narrawatch_watch_observed_matches", _BY, and_where='window="1h"')
    expected = figure("narrawatch_watch_expected_matches", _BY, and_where='window="1h"', form="%.1f")
    day = figure("narrawatch_watch_observed_matches", _BY, and_where='window="24h"')
    surprise = figure("narrawatch_watch_surprise_decades", _BY, form="%.1f")
    return Alert(
        name="WatchThreshold",
        expr=expr,
        for_seconds=settings.alert_for_seconds,
        severity="warning",
        summary="Watch {{ $labels.watch }} crossed its threshold in {{ $labels.desk }}",
        description=f"{hour} matches in an hour ({expected} expected), {day} in a day; the surprise is"
        f" {surprise} decades.",
        link=page(settings.web_url, f"watches/{name}"),
        keep_firing_seconds=_KEEP_SECONDS if settings.alert_for_seconds else 0,
    )


def _of_all(settings: Settings, own: Sequence[Watch]) -> str:
    """The threshold of narratives, for every watch that has none of its own."""
    condition = (
        f"{_SURPRISE} >= {settings.alert_surprise_decades:g}"
        f" and on (desk, watch) {_OBSERVED} >= {settings.alert_min_mentions}"
    )
    if not own:
        return condition
    others = " or ".join(f"{_SURPRISE}{_matchers(watch)}" for watch in own)
    return f"(({condition}) unless on (desk, watch) ({others}))"


def _of(watch: Watch) -> str:
    conditions = []
    if watch.threshold_per_hour is not None:
        hour = _OBSERVED + _matchers(watch, 'window="1h"')
        conditions.append(f"max by (desk, watch) ({hour}) >= {watch.threshold_per_hour}")
    if watch.surprise is not None:
        conditions.append(f"{_SURPRISE}{_matchers(watch)} >= {watch.surprise:g}")
    return " or ".join(conditions)


def _matchers(watch: Watch, *further: str) -> str:
    desk = [] if watch.desk is None else [f"desk={quoted(watch.desk)}"]
    return "{" + ",".join([*desk, f"watch={quoted(watch.name)}", *further]) + "}"
