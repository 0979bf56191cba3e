"""What the dashboards ask about narratives."""

from typing import Final

from dashboards.promql import among, count_or_zero, increase, is_, max_by, select, sum_by
from dashboards.thresholds import Thresholds
from streams.metric_specs import (
    MENTIONS,
    NARRATIVE,
    NARRATIVE_COPIES,
    NARRATIVE_EMERGED,
    NARRATIVE_LAST_SEEN,
    NARRATIVE_MENTIONS,
    NARRATIVE_OBSERVED,
    NARRATIVE_SURPRISE,
    NARRATIVES,
    MetricSpec,
)

__all__ = [
    "CAMPAIGNS",
    "EMERGED_IN_RANGE",
    "EMERGED_MILLISECONDS",
    "KNOWN",
    "LAST_SEEN_MILLISECONDS",
    "MENTIONS_OF_LAST_HOUR",
    "campaign_share",
    "chosen",
    "emerging",
    "figure",
    "mentions",
    "mentions_per_hour",
    "named",
    "only_campaigns",
    "share_of_voice",
    "spiking",
    "top",
]

_DESK: Final = {"desk": among("desk")}
_ONE: Final = "desk, narrative_id"
TOP: Final = 10  # lines that a person can tell apart


def _info(**matchers: str) -> str:
    return max_by(f"{_ONE}, label, language, kind", select(NARRATIVE, **matchers))


def named(expression: str) -> str:
    """The series with what their narratives say; one wording, where two workers have two."""
    info = f"topk by ({_ONE}) (1, {_info(**_DESK)})"
    return f"({expression}) * on ({_ONE}) group_left (label, language, kind) {info}"


def figure(spec: MetricSpec, **matchers: str) -> str:
    """A figure of each narrative of the desks."""
    return max_by(_ONE, select(spec, **_DESK, **matchers))


def emerging(expression: str) -> str:
    """Of the narratives that emerged within the time range."""
    return f"({expression}) and on ({_ONE}) ({figure(NARRATIVE_EMERGED)} > time() - $__range_s)"


def only_campaigns(expression: str) -> str:
    """Of the narratives that are campaigns."""
    return f"({expression}) and on ({_ONE}) {_info(**_DESK, kind=is_('campaign'))}"


def spiking(thresholds: Thresholds) -> str:
    """The surprise of the narratives that spike: rare enough, and not a handful of mentions."""
    enough = f"{figure(NARRATIVE_OBSERVED)} >= {thresholds.min_mentions}"
    return f"{figure(NARRATIVE_SURPRISE)} >= {thresholds.surprise_decades:g} and on ({_ONE}) {enough}"


def chosen(expression: str) -> str:
    """Of the one narrative that is chosen."""
    return f"({expression}) and on ({_ONE}) {select(NARRATIVE, **_DESK, narrative_id=is_('$narrative'))}"


def top(expression: str) -> str:
    """Of those with the most mentions of the last day of the range, so that no line comes and goes."""
    of_last_day = select(NARRATIVE_OBSERVED, **_DESK, window=is_("24h"))
    return f"({expression}) and on ({_ONE}) topk({TOP}, {max_by(_ONE, f'{of_last_day} @ end()')})"


def mentions(stance: str = "") -> str:
    """Mentions of each narrative so far. stance: supports, rebuts or unjudged; "" for all."""
    matchers = _DESK | ({"stance": is_(stance)} if stance else {})
    return sum_by(_ONE, max_by(f"{_ONE}, stance", select(NARRATIVE_MENTIONS, **matchers)))


def share_of_voice() -> str:
    """Each narrative's share in the last day's mentions of all that have series in its desk."""
    of_day = figure(NARRATIVE_OBSERVED, window=is_("24h"))
    return f"{of_day} / on (desk) group_left () sum by (desk) ({of_day})"


def campaign_share() -> str:
    """Which share of a narrative's mentions are near-copies of one text."""
    return f"{figure(NARRATIVE_COPIES)} / ({mentions()} > 0)"


def mentions_per_hour(label: str) -> str:
    """Mentions made in the last hour, by a label."""
    counted = increase(MENTIONS, "1h", desk=among("desk"), source=among("source"))
    return sum_by(label, counted)


KNOWN: Final = sum_by("", max_by("desk", select(NARRATIVES, **_DESK, state=is_("emerged"))))
EMERGED_MILLISECONDS: Final = f"{figure(NARRATIVE_EMERGED)} * 1000"
LAST_SEEN_MILLISECONDS: Final = f"{figure(NARRATIVE_LAST_SEEN)} * 1000"
EMERGED_IN_RANGE: Final = count_or_zero(f"{figure(NARRATIVE_EMERGED)} > time() - $__range_s")
CAMPAIGNS: Final = count_or_zero(_info(**_DESK, kind=is_("campaign")))
MENTIONS_OF_LAST_HOUR: Final = sum_by("", increase(MENTIONS, "1h", **_DESK, source=among("source")))
