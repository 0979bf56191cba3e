"""Every setting of narrawatch as one typed, frozen object.

The description of a field says what is allowed: it is what an error prints and what the documentation
lists. Those of alerting rules, of live sources and of notifications are in `streams.alert_fields`,
`streams.ingest_fields` and `streams.notify_fields`. `streams.settings` reads the values;
`streams.connection` hands those of Kafka to its clients.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from models.parameters import HOT_NARRATIVES
from streams.alert_fields import AlertFields
from streams.comments import DESK_PATTERN
from streams.grafana_fields import GrafanaFields
from streams.ingest_fields import IngestFields
from streams.notify_fields import NotifyFields
from streams.web_fields import WebFields

__all__ = ["MAX_WATCHES", "Settings", "Watch"]

_HOST_PORT = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}"
_MIN_SECRET_CHARACTERS = 16

MAX_WATCHES = 200


def _one_line(value: object) -> object:
    """Text with single spaces; nothing that moves a cursor, hides, or reverses the direction of writing."""
    if not isinstance(value, str):
        return value
    line = " ".join(value.split())  # no-break spaces, too, which French typography is full of
    if not line.isprintable():
        raise ValueError("it holds characters that cannot be printed")
    return line


_Desk = Annotated[str, StringConstraints(pattern=DESK_PATTERN)]
_Name = Annotated[str, BeforeValidator(_one_line), StringConstraints(min_length=1, max_length=64)]
_Phrase = Annotated[str, BeforeValidator(_one_line), StringConstraints(min_length=2, max_length=300)]


class Watch(BaseModel):
    """A narrative described in advance: what to look for, and for which desk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name = Field(description="1 to 64 printable characters")
    phrases: tuple[_Phrase, ...] = Field(
        min_length=1,
        max_length=20,
        description="a list of 1 to 20 phrases of 2 to 300 printable characters, any language",
    )
    desk: _Desk | None = Field(
        default=None, description="a desk, or none for every desk (lower-case letters, digits, '-', '_')"
    )
    threshold_per_hour: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="1 to 1000000 matches in an hour from which it alerts, or none",
    )
    surprise: float | None = Field(
        default=None,
        gt=0,
        le=300,
        description="above 0 to 300 decades (3: a chance of one in a thousand) from which it alerts, or none",
    )
    similarity: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="above 0 to 1: how near to a phrase a claim must be, or none for the default",
    )


class Settings(AlertFields, GrafanaFields, IngestFields, NotifyFields, WebFields):
    """All settings. Build it with `streams.settings.load_settings`, which reports errors as one line.

    `Settings(...)` itself takes only its arguments and the defaults, and raises pydantic's ValidationError.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka_bootstrap: str = Field(
        default="127.0.0.1:9092",
        pattern=rf"^{_HOST_PORT}(,{_HOST_PORT})*$",
        description="HOST:PORT of the Kafka brokers, several separated by commas",
    )
    kafka_embedded: bool = Field(
        default=False,
        description="true when the broker is the embedded one, which needs one record per batch; else false",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the user name for SASL_*")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="the password for SASL_*")
    kafka_ssl_cafile: FilePath | None = Field(
        default=None, description="an existing PEM file of certificate authorities; none: the system's"
    )
    kafka_ssl_certfile: FilePath | None = Field(
        default=None, description="an existing PEM file with the client's certificate"
    )
    kafka_ssl_keyfile: FilePath | None = Field(
        default=None, description="an existing PEM file with the client's private key"
    )
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, description="the password of the client's private key"
    )

    topic_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="what the names of all topics begin with: up to 100 of A-Z a-z 0-9 . _ -",
    )
    partitions: int = Field(
        default=4, ge=1, le=1000, description="1 to 1000 partitions of the topics that scale out"
    )
    replication_factor: int = Field(
        default=1, ge=1, le=10, description="1 to 10 copies of each record; 3 in production"
    )
    app_id: str = Field(
        default="narrawatch",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="the consumer group of the workers: 1 to 100 of A-Z a-z 0-9 . _ -",
    )

    desk: str = Field(
        default="default",
        pattern=DESK_PATTERN,
        description="the desk of comments that name none: lower-case letters, digits, '-', '_', up to 64",
    )
    watches: tuple[Watch, ...] = Field(
        default=(),
        max_length=MAX_WATCHES,
        description="up to 200 watches, each with name, phrases and optionally desk and thresholds",
    )
    sensitivity: Literal["low", "normal", "high"] = Field(default="normal", description="low, normal or high")
    hot_narratives: int = Field(
        default=HOT_NARRATIVES,
        ge=1_000,
        le=200_000,
        description="1,000 to 200,000: of a desk, in memory",
    )
    lateness_seconds: float = Field(
        default=120.0,
        ge=0,
        le=86_400,
        description="0 to 86400: how long claims wait so that partitions can be put in order of time",
    )
    future_tolerance_seconds: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="0 to 86400: how far ahead of its arrival a comment may be dated (clocks differ)",
    )

    model: str = Field(
        default="intfloat/multilingual-e5-small",
        min_length=1,
        max_length=500,
        description="a sentence-transformers name, a folder, or 'packaged'",
    )
    encoder: Literal["auto", "torch", "onnx", "onnx-int8", "numba-int8"] = Field(
        default="auto",
        description="what runs the model: auto (the fastest one), torch, onnx, onnx-int8 or numba-int8",
    )
    encoder_threads: int = Field(
        default=0, ge=0, le=1_024, description="1 to 1024 threads that embed; 0: as many as there are cores"
    )
    cache_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("narrawatch"),
        description="a folder for what can be rebuilt, such as models",
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("narrawatch"),
        description="a folder for what cannot be rebuilt, such as the author key",
    )
    author_key: SecretStr | None = Field(
        default=None,
        description="a secret of at least 16 characters, the same on all hosts; none: made once in data_dir",
    )

    label_api_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        max_length=500,
        description="the base address of a chat-completions API (http://HOST:PORT/v1), or none: off",
    )
    label_api_model: str = Field(
        default="", max_length=200, description="the model that the API is asked for, up to 200 characters"
    )
    label_api_key: SecretStr | None = Field(default=None, description="the key that the API wants, if any")
    label_api_timeout_seconds: float = Field(
        default=20.0, gt=0, le=600, description="above 0 to 600 seconds to wait for an answer of the API"
    )

    save_seconds: float = Field(
        default=60.0,
        ge=1,
        le=3_600,
        description="1 to 3600: how often narratives are saved; so much is read again after a crash",
    )
    batch_max_comments: int = Field(
        default=256, ge=1, le=10_000, description="1 to 10000 comments embedded together"
    )
    batch_wait_seconds: float = Field(
        default=0.05, gt=0, le=60, description="above 0 to 60 seconds in which comments are gathered"
    )
    max_comment_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=10_000_000,
        description="1000 to 10000000 bytes of a record; larger ones are dead letters",
    )
    broken_stream_share: float = Field(
        default=0.9,
        ge=0.5,
        le=1,
        description="0.5 to 1: the share of records refused for their format at which a stream looks broken",
    )
    broken_stream_records: int = Field(
        default=20_000,
        ge=0,
        le=100_000_000,
        description="0 to 100000000: after so many records of a broken stream the worker stops; 0 never",
    )
    broken_stream_seconds: float = Field(
        default=900.0,
        gt=0,
        le=31_536_000,
        description="above 0 to 31536000: or after they have arrived for so long (and are 1000 at least)",
    )

    metrics_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[^\s/]{1,255}$",
        description="an address of this host to serve /metrics, /health and /ready on",
    )
    metrics_port: int = Field(default=9464, ge=0, le=65_535, description="0 to 65535; 0 takes a free port")
    ready_broker_seconds: float = Field(
        default=30.0,
        ge=5,
        le=3_600,
        description="5 to 3600: a worker that has not heard of the broker for longer is not ready",
    )
    top_narratives: int = Field(
        default=50, ge=1, le=1_000, description="1 to 1000 narratives of a desk shown as metrics"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="console or json")

    @field_validator("log_level", "log_format", "sensitivity", "encoder", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("cache_dir", "data_dir")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("author_key", "web_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _MIN_SECRET_CHARACTERS:
            raise ValueError("too short")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sasl = self.kafka_security_protocol.startswith("SASL_")
        if sasl and (self.kafka_sasl_username is None or self.kafka_sasl_password is None):
            protocol = self.kafka_security_protocol
            raise ValueError(
                f"kafka_security_protocol {protocol} needs kafka_sasl_username and kafka_sasl_password"
            )
        if self.kafka_ssl_keyfile is not None and self.kafka_ssl_certfile is None:
            raise ValueError("kafka_ssl_keyfile needs kafka_ssl_certfile")
        if self.label_api_url is not None and not self.label_api_model:
            raise ValueError("label_api_url needs label_api_model")
        names = [(watch.desk, watch.name) for watch in self.watches]
        if len(names) != len(set(names)):
            raise ValueError("watches: two of the same desk have the same name")
        return self
