"""What analysts are told of narratives: one emerged, one spikes, one is a campaign.

An alert is identified by its name, the desk and the narrative: whatever else is said of it is text that is
rewritten while it fires. The label of a narrative may be refined, and copies may make a campaign of it:
neither must make a second alert. It is therefore joined in for the text, and dropped from the labels.
"""

from streams.alerts.rule_types import Alert, figure, page
from streams.settings_fields import Settings

__all__ = ["narrative_rules"]

_BY = ("desk", "narrative_id")
_DROPPED = ("label", "language", "kind")
# A score falls back between two bursts of one spike, and a worker may be restarted in it.
_KEEP_SPIKING_SECONDS = 900
# A campaign is over when nobody has posted its text for so long.
_CAMPAIGN_QUIET_SECONDS = 21_600

# A scrape that fails, or a worker that is replaced, must not make news of what was told already.
_KEEP_SECONDS = 300

_MENTIONS = figure("narrawatch_narrative_mentions", _BY, summed_over="stance", noun="mention")
_AUTHORS = figure("narrawatch_narrative_authors", _BY, noun="author")
_THREADS = figure("narrawatch_narrative_threads", _BY, noun="thread")
_COPIES = figure("narrawatch_narrative_copies", _BY)


def narrative_rules(settings: Settings) -> list[Alert]:
    """The alerts on narratives."""
    link = page(settings.web_url, "narratives/{{ $labels.narrative_id }}")
    return [_emerged(settings, link), _spiking(settings, link), _campaign(settings, link)]


def _emerged(settings: Settings, link: str) -> Alert:
    age = "time() - max by (desk, narrative_id) (narrawatch_narrative_emerged_timestamp_seconds)"
    return Alert(
        name="NarrativeEmerged",
        expr=_told(f"({age} < {settings.alert_emerged_seconds})", 'kind!="campaign"'),
        for_seconds=settings.alert_for_seconds,
        severity="info",
        summary="New in {{ $labels.desk }}: {{ $labels.label }}",
        description=f"{_MENTIONS} by {_AUTHORS} in {_THREADS} so far; it emerged"
        " {{ $value | humanizeDuration }} ago.",
        link=link,
        dropped=_DROPPED,
        keep_firing_seconds=_KEEP_SECONDS,
    )


def _spiking(settings: Settings, link: str) -> Alert:
    observed = "desk_narrative_id_window:narrawatch_narrative_observed_mentions:max"
    surprise = (
        "(desk_narrative_id:narrawatch_narrative_surprise_decades:max"
        f" >= {settings.alert_surprise_decades:g}"
        f" and on (desk, narrative_id) {observed} >= {settings.alert_min_mentions})"
    )
    return Alert(
        name="NarrativeSpiking",
        expr=_told(surprise),
        for_seconds=settings.alert_for_seconds,
        severity="warning",
        summary="Spiking in {{ $labels.desk }}: {{ $labels.label }}",
        # Of a day nothing can be expected of what is younger than that.
        description=f"{_window('observed', '1h')} mentions in an hour ({_window('expected', '1h', '%.1f')}"
        f" expected), {_window('observed', '24h')} in a day; the surprise is"
        f' {{{{ $value | printf "%.1f" }}}} decades. {_AUTHORS} in {_THREADS} so far.',
        link=link,
        dropped=_DROPPED,
        keep_firing_seconds=_KEEP_SPIKING_SECONDS if settings.alert_for_seconds else 0,
    )


def _campaign(settings: Settings, link: str) -> Alert:
    quiet = "time() - max by (desk, narrative_id) (narrawatch_narrative_last_seen_timestamp_seconds)"
    quiet_seconds = max(_CAMPAIGN_QUIET_SECONDS, settings.alert_emerged_seconds)
    return Alert(
        name="CampaignDetected",
        expr=_told(f"({quiet} < {quiet_seconds})", 'kind="campaign"'),
        for_seconds=settings.alert_for_seconds,
        severity="warning",
        summary="Campaign in {{ $labels.desk }}: {{ $labels.label }}",
        description=f"{_COPIES} of {_MENTIONS} are copies of one text, by {_AUTHORS} in {_THREADS}.",
        link=link,
        dropped=_DROPPED,
        keep_firing_seconds=_KEEP_SECONDS,
    )


def _told(condition: str, kind: str = "") -> str:
    """The condition, with the label of the narrative. Two workers may show it for a moment: one is taken."""
    matchers = f"{{{kind}}}" if kind else ""
    info = f"topk by (desk, narrative_id) (1, narrawatch_narrative_info{matchers})"
    return f"{condition} * on (desk, narrative_id) group_left (label, language, kind) {info}"


def _window(name: str, window: str, form: str = "%.0f") -> str:
    return figure(f"narrawatch_narrative_{name}_mentions", _BY, and_where=f'window="{window}"', form=form)
