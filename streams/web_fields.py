"""The settings of the page: where it is served, who may read it, and how much it keeps. See `streams.web`."""

from pydantic import BaseModel, Field, SecretStr

__all__ = ["WebFields"]


class WebFields(BaseModel):
    """What `narrawatch web` looks at; `web_url` is for whoever links to the page, too."""

    web_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[^\s/]{1,255}$",
        description="an address of this host to serve the page on; any but loopback needs web_token",
    )
    web_port: int = Field(default=8484, ge=0, le=65_535, description="0 to 65535; 0 takes a free port")
    web_url: str = Field(
        default="http://127.0.0.1:8484",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        max_length=500,
        description="where readers find the page (https://HOST), for links from alerts and dashboards",
    )
    web_token: SecretStr | None = Field(
        default=None, description="a secret of at least 16 characters that readers of the page need, or none"
    )
    web_metrics_port: int = Field(
        default=9470, ge=0, le=65_535, description="0 to 65535: where the page serves /metrics; 0 a free port"
    )
    web_history_days: int = Field(
        default=90, ge=1, le=3_650, description="1 to 3650 days of mentions that the page keeps"
    )
    web_max_mentions: int = Field(
        default=1_000_000,
        ge=1_000,
        le=100_000_000,
        description="1000 to 100000000 mentions that the page keeps, the newest",
    )
