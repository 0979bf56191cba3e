"""From the settings and the records of narrawatch to what `dashboards` takes, which knows neither."""

from collections.abc import Iterable, Iterator

from dashboards.alert_rules import WatchLimits
from dashboards.annotations import Happening
from dashboards.board import Options
from dashboards.connection import Address
from dashboards.provision import Wanted
from dashboards.thresholds import Thresholds
from models.outcome import EventType
from streams.errors import SettingsError
from streams.results import EventRecord
from streams.settings_fields import Settings

__all__ = ["address_of", "happenings", "options_of", "wanted_of"]

# What is worth a mark on the time axis; that a narrative faded is seen without.
_MARKED = (EventType.EMERGED, EventType.SPIKING)


def options_of(settings: Settings) -> Options:
    """What the dashboards are made with."""
    return Options(
        settings.web_url,
        Thresholds(
            surprise_decades=settings.alert_surprise_decades,
            min_mentions=settings.alert_min_mentions,
            emerged_seconds=settings.alert_emerged_seconds,
            lag_records=settings.alert_lag_records,
            dead_letters=settings.alert_dead_letters,
            embed_seconds=settings.alert_embed_seconds,
            delay_seconds=settings.alert_delay_seconds,
            source_silent_seconds=settings.alert_source_silent_seconds,
            source_failing_seconds=settings.alert_source_failing_seconds,
            for_seconds=settings.alert_for_seconds,
        ),
        settings.grafana_datasource_uid,
    )


def wanted_of(settings: Settings, *, rules: bool = True) -> Wanted:
    """What Grafana is to hold. rules: whether to alert from there."""
    limits = [
        WatchLimits(watch.name, watch.desk, watch.threshold_per_hour, watch.surprise)
        for watch in settings.watches
    ]
    return Wanted(options_of(settings), settings.grafana_prometheus_url, limits, rules)


def address_of(settings: Settings) -> Address:
    """Where Grafana is. Raises SettingsError where no token is set."""
    if settings.grafana_token is None:
        raise SettingsError(
            "grafana_token is not set: make a service account in Grafana, and put its token into"
            " NARRAWATCH_GRAFANA_TOKEN"
        )
    return Address(
        settings.grafana_url,
        settings.grafana_token.get_secret_value().strip(),
        settings.grafana_timeout_seconds,
        None if settings.grafana_cafile is None else str(settings.grafana_cafile),
    )


def happenings(events: Iterable[EventRecord]) -> Iterator[Happening]:
    """The events that are worth an annotation."""
    for event in events:
        if event.type in _MARKED:
            view = event.narrative
            yield Happening(
                kind=event.type.value,
                desk=event.desk,
                narrative_id=event.narrative_id,
                at_ms=round(event.at.timestamp() * 1000),
                label=view.label,
                quote=view.quotes[0].text if view.quotes else "",
                authors=view.authors,
                threads=len(view.threads),
                mentions=event.mentions,
            )
