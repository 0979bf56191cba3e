"""The settings of live sources: what is read, for which desk, and how politely. See `streams.ingest`.

What a single kind of source can be told is the business of its connector; it is checked when the source is
made (`streams.ingest.registry`), so that a worker need not have the connectors of its configuration file.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["KIND_PATTERN", "IngestFields", "SourceTable"]

KIND_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"


class SourceTable(BaseModel):
    """One `[[sources]]` table: its kind, and options that the connector of that kind knows."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Annotated[str, StringConstraints(pattern=KIND_PATTERN)] = Field(
        description="what narrawatch sources list names, such as wordpress"
    )

    @property
    def options(self) -> dict[str, object]:
        """All but the kind, unchecked."""
        return dict(self.model_extra or {})


class IngestFields(BaseModel):
    """What `narrawatch ingest` is told. Workers do not look at it."""

    sources: tuple[SourceTable, ...] = Field(
        default=(), max_length=500, description="up to 500 sources, each with kind and its options"
    )
    ingest_contact: str | None = Field(
        default=None,
        pattern=r"^[!-'*-~]{3,200}$",
        description="a web or mail address that sites find in the User-Agent, or none",
    )
    ingest_interval_seconds: float = Field(
        default=1.0, ge=0, le=3_600, description="0 to 3600 seconds between two requests to the same host"
    )
    ingest_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="above 0 to 600 seconds for one request"
    )
    ingest_max_response_bytes: int = Field(
        default=10_000_000,
        ge=10_000,
        le=100_000_000,
        description="10000 to 100000000 bytes of an answer, packed or unpacked",
    )
    ingest_allow_private: bool = Field(
        default=False,
        description="true when sources may be at private addresses or on this host; else false",
    )
    ingest_author_names: bool = Field(
        default=False,
        description="true when authors are sent to Kafka by name; false: as keyed hashes",
    )
    ingest_metrics_port: int = Field(
        default=9468, ge=0, le=65_535, description="0 to 65535: where ingest serves /metrics; 0 a free port"
    )
