"""The settings of `narrawatch dashboards`: which Grafana, and what it is told. See `dashboards.provision`."""

from pydantic import BaseModel, Field, FilePath, SecretStr

__all__ = ["GrafanaFields"]

_ADDRESS = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"


class GrafanaFields(BaseModel):
    """What `narrawatch dashboards push` and `annotate` need. Workers do not look at it."""

    grafana_url: str = Field(
        default="http://127.0.0.1:3000",
        pattern=_ADDRESS,
        max_length=500,
        description="the address of Grafana, http:// or https://, with its path if it is below one",
    )
    grafana_token: SecretStr | None = Field(
        default=None, description="a token of a service account in Grafana, best set in the environment"
    )
    grafana_cafile: FilePath | None = Field(
        default=None,
        description="an existing PEM file of authorities to trust for Grafana; none: the usual ones",
    )
    grafana_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="above 0 to 600 seconds to wait for an answer of Grafana"
    )
    grafana_prometheus_url: str = Field(
        default="http://127.0.0.1:9090",
        pattern=_ADDRESS,
        max_length=500,
        description="the address of Prometheus as Grafana's server reaches it",
    )
    grafana_datasource_uid: str = Field(
        default="narrawatch-prometheus",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="the uid of the data source: the default one is made, any other must exist and stays",
    )
