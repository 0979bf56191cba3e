"""The settings of alerting rules: from which figures on somebody is told. See `streams.alerts`."""

from pydantic import BaseModel, Field

__all__ = ["AlertFields"]


class AlertFields(BaseModel):
    """What `narrawatch alerts render` writes into the rules. Workers do not look at it."""

    alert_runbook_url: str = Field(
        default="deploy/runbook.md",
        pattern=r"^[^\s#{}\"'\\]{1,500}$",
        description="where people find the runbook: an address or a path, without '#'",
    )
    alert_for_seconds: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="0 to 86400: how long something must hold before people are told of a narrative",
    )
    alert_emerged_seconds: int = Field(
        default=3_600,
        ge=1,
        le=315_360_000,
        description="1 to 315360000: how long after it emerged a narrative is news",
    )
    alert_surprise_decades: float = Field(
        default=4.0,  # as the events of type spiking have it
        gt=0,
        le=300,
        description="above 0 to 300 decades (4: a chance of one in 10,000) from which a narrative spikes",
    )
    alert_min_mentions: int = Field(
        default=5, ge=1, le=1_000_000, description="1 to 1000000 mentions in a window, fewer are no spike"
    )
    alert_lag_records: int = Field(
        default=10_000, ge=1, le=1_000_000_000, description="1 to 1000000000 records that wait in a topic"
    )
    alert_dead_letters: int = Field(
        default=20,
        ge=1,
        le=1_000_000_000,
        description="1 to 1000000000 comments refused for one reason in a quarter of an hour",
    )
    alert_embed_seconds: float = Field(
        default=10.0, gt=0, le=3_600, description="above 0 to 3600 seconds to embed a batch (95 in 100)"
    )
    alert_delay_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="above 0 to 86400 seconds from a comment's arrival to the metrics (95 in 100)",
    )
    alert_source_silent_seconds: int = Field(
        default=21_600, ge=60, le=31_536_000, description="60 to 31536000 seconds without a comment"
    )
    alert_source_failing_seconds: int = Field(
        default=1_800,
        ge=60,
        le=31_536_000,
        description="60 to 31536000 seconds in which a live source could not be read",
    )
