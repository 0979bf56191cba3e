"""The settings of `narrawatch notify`: who is told what, and how. See `streams.notify`."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from streams.comments import DESK_PATTERN

__all__ = ["LOOPBACK_HOSTS", "NotifyFields", "NotifyKind", "NotifySeverity", "Receiver"]

NotifyKind = Literal["emerged", "campaign", "spiking", "revived", "faded", "merged", "watch", "operation"]
NotifySeverity = Literal["info", "warning", "critical"]

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_MIN_SECRET_CHARACTERS = 16
_NEWS: tuple[NotifyKind, ...] = ("emerged", "campaign", "spiking", "watch", "operation")
_url_reader = TypeAdapter(HttpUrl)


class Receiver(BaseModel):
    """Who is told, and of what. The address is a secret: whoever knows that of a chat channel can post."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$", description="1 to 64 of A-Z a-z 0-9 . _ -, different for each"
    )
    url: SecretStr = Field(description="the address of the webhook, http:// or https://")
    format: Literal["json", "slack", "mattermost"] = Field(
        default="json", description="json, slack or mattermost"
    )
    desks: tuple[Annotated[str, StringConstraints(pattern=DESK_PATTERN)], ...] = Field(
        default=(), max_length=100, description="a list of desks, or none for all"
    )
    types: tuple[NotifyKind, ...] = Field(
        default=_NEWS,
        min_length=1,
        description="a list of emerged, campaign, spiking, revived, faded, merged, watch, operation",
    )
    min_severity: NotifySeverity = Field(default="info", description="info, warning or critical")
    secret: SecretStr | None = Field(
        default=None, description="at least 16 characters that sign what is sent, or none"
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        try:
            _url_reader.validate_python(value.get_secret_value())
        except ValidationError:
            # The error would quote what it was given.
            raise ValueError("no address") from None
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _MIN_SECRET_CHARACTERS:
            raise ValueError("too short")
        return value


class NotifyFields(BaseModel):
    """What `narrawatch notify` is told. Workers do not look at it."""

    notify: tuple[Receiver, ...] = Field(
        default=(), max_length=50, description="up to 50 receivers, each with name and url"
    )
    notify_allow_private: bool = Field(
        default=False,
        description="true when webhooks may be at private addresses or this host; else false",
    )
    notify_cooldown_seconds: float = Field(
        default=3_600.0,
        ge=0,
        le=31_536_000,
        description="0 to 31536000: for so long the same is not said of a narrative again",
    )
    notify_attempts: int = Field(
        default=5, ge=1, le=10, description="1 to 10 attempts before a notification is given up"
    )
    notify_timeout_seconds: float = Field(
        default=10.0, gt=0, le=60, description="above 0 to 60 seconds for one attempt"
    )
    notify_metrics_port: int = Field(
        default=9466, ge=0, le=65_535, description="0 to 65535: where notify serves /metrics; 0 a free port"
    )
    notify_listen_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[^\s/]{1,255}$",
        description="an address of this host to take Alertmanager's webhooks at",
    )
    notify_listen_port: int = Field(
        default=9467, ge=0, le=65_535, description="0 to 65535; 0 takes a free port"
    )
    notify_listen_token: SecretStr | None = Field(
        default=None,
        description="a secret of at least 16 characters that Alertmanager shows, or none on loopback",
    )

    @field_validator("notify_listen_token")
    @classmethod
    def _token_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _MIN_SECRET_CHARACTERS:
            raise ValueError("too short")
        return value

    @model_validator(mode="after")
    def _notify_consistent(self) -> Self:
        names = [receiver.name for receiver in self.notify]
        if len(names) != len(set(names)):
            raise ValueError("notify: two receivers have the same name")
        if self.notify_listen_host not in LOOPBACK_HOSTS and self.notify_listen_token is None:
            raise ValueError("notify_listen_host other than loopback needs notify_listen_token")
        return self
