from typing import Any

from grafana_api.grafana_api import GrafanaAPI

class _Annotations:
    def add_annotation(
        self,
        dashboard_id: int | None = ...,
        panel_id: int | None = ...,
        time_from: int | None = ...,
        time_to: int | None = ...,
        tags: list[str] = ...,
        text: str | None = ...,
    ) -> Any: ...

class _Dashboard:
    def get_dashboard(self, dashboard_uid: str) -> Any: ...
    def update_dashboard(self, dashboard: dict[str, Any]) -> Any: ...
    def delete_dashboard(self, dashboard_uid: str) -> Any: ...

class _Datasource:
    def create_datasource(self, datasource: dict[str, Any]) -> Any: ...

class _Folder:
    def get_folder(self, uid: str) -> Any: ...
    def create_folder(self, title: str, uid: str | None = ...) -> Any: ...

class GrafanaFace:
    api: GrafanaAPI
    annotations: _Annotations
    dashboard: _Dashboard
    datasource: _Datasource
    folder: _Folder
    def __init__(
        self,
        auth: str | tuple[str, str],
        host: str = ...,
        port: int | None = ...,
        url_path_prefix: str = ...,
        protocol: str = ...,
        verify: bool | str = ...,
        timeout: float = ...,
    ) -> None: ...
