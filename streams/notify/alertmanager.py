"""What Alertmanager sends to a webhook (version 4), and what is said of it.

A group of alerts is one notification: of a narrative all that is the matter with it, the most severe first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from streams.errors import InputError
from streams.notify.notification import Evidence, Notification, notification_id, origin_in_words
from streams.notify_fields import NotifyKind, NotifySeverity

__all__ = ["Alert", "AlertGroup", "decode_group", "from_group", "kinds_of", "narrative_of"]

_KINDS: Mapping[str, NotifyKind] = {
    "NarrativeEmerged": "emerged",
    "NarrativeSpiking": "spiking",
    "CampaignDetected": "campaign",
    "WatchThreshold": "watch",
}
_SEVERITIES: Sequence[NotifySeverity] = ("info", "warning", "critical")
_MAX_ALERTS = 20  # that are put into words


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a group."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: Annotated[datetime, msgspec.Meta(tz=True)]
    fingerprint: str


class AlertGroup(msgspec.Struct, frozen=True, rename="camel"):
    """All alerts that Alertmanager tells of together. group_key: of the group, always the same."""

    version: Literal["4"]
    group_key: str
    alerts: Annotated[list[Alert], msgspec.Meta(min_length=1)]


class _Subject(NamedTuple):
    desk: str
    narrative_id: str | None
    watch: str | None


_decoder = msgspec.json.Decoder(AlertGroup)


def decode_group(raw: bytes) -> AlertGroup:
    """A body of Alertmanager's webhook.  Raises InputError for any other bytes."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a webhook of Alertmanager: {error}") from error


def narrative_of(group: AlertGroup) -> tuple[str, str] | None:
    """Desk and id of the narrative that the group is about; None if it is about none, or several."""
    found = {(alert.labels.get("desk", ""), alert.labels.get("narrative_id", "")) for alert in group.alerts}
    subject = found.pop()
    return subject if not found and subject[1] else None


def kinds_of(group: AlertGroup) -> list[NotifyKind]:
    """What the group is about, each kind once."""
    return list(dict.fromkeys(_kind(alert) for alert in _told(group)))


def from_group(group: AlertGroup, evidence: Evidence | None) -> Notification:
    """What is said of a group. evidence: of the narrative it is about, if that is known."""
    told = _told(group)
    first = told[0]
    subject = _subject(told)
    texts = [first.annotations.get("description", "")]
    texts += [_sentence(alert) for alert in told[1:_MAX_ALERTS]]
    if evidence is not None:
        texts.append(origin_in_words(evidence))
    resolved = first.status == "resolved"
    # The same while the same alerts fire: a second Alertmanager, or a second attempt, says nothing new.
    which = sorted(f"{alert.fingerprint} {alert.starts_at.isoformat()}" for alert in told)
    return Notification(
        id=notification_id(group.group_key, first.status, *which),
        group=f"{subject.desk}/{subject.narrative_id}" if subject.narrative_id else group.group_key,
        type=_kind(first),
        severity=_severity(first),
        desk=subject.desk,
        title=first.annotations.get("summary") or first.labels.get("alertname", "?"),
        text=" ".join(text for text in texts if text),
        at=first.starts_at,
        resolved=resolved,
        link=first.annotations.get("link", ""),
        runbook_url=first.annotations.get("runbook_url", ""),
        watch=subject.watch,
        narrative=evidence,
    )


def _told(group: AlertGroup) -> list[Alert]:
    """Those that fire, or all where none does; the most severe and the latest first."""
    firing = [alert for alert in group.alerts if alert.status == "firing"] or group.alerts
    latest = sorted(firing, key=lambda alert: (alert.starts_at, alert.fingerprint), reverse=True)
    return sorted(latest, key=lambda alert: _SEVERITIES.index(_severity(alert)), reverse=True)


def _subject(told: Sequence[Alert]) -> _Subject:
    """What all of them have in common."""

    def common(label: str) -> str | None:
        values = {alert.labels.get(label) for alert in told}
        return values.pop() if len(values) == 1 else None

    return _Subject(common("desk") or "", common("narrative_id"), common("watch"))


def _sentence(alert: Alert) -> str:
    summary, description = alert.annotations.get("summary", ""), alert.annotations.get("description", "")
    return f"{summary}. {description}"


def _kind(alert: Alert) -> NotifyKind:
    return _KINDS.get(alert.labels.get("alertname", ""), "operation")


def _severity(alert: Alert) -> NotifySeverity:
    named = alert.labels.get("severity")
    return next((severity for severity in _SEVERITIES if severity == named), "warning")
