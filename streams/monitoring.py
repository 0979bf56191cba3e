"""Prometheus and Alertmanager on loopback beside a worker: for the demo and the tests, not for production.

They are the system's own programs, with configuration made here. All of it is kept in a folder that goes with
them, and they end with this process, even a killed one.
"""

import http.client
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import yaml

from streams.errors import BrokerError
from streams.guarded import GuardedPrograms, is_running
from streams.loopback import HOST, free_port

__all__ = ["PROGRAMS", "Monitoring", "alertmanager_routes", "missing_programs"]

PROGRAMS: Mapping[str, Sequence[str]] = {
    # Debian's name, and that of everybody else.
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
}
_READY_SECONDS = 60.0
_END_SECONDS = 5.0
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5.0


def missing_programs() -> list[str]:
    """Which of the two are not on the path."""
    return [name for name in PROGRAMS if _find(name) is None]


def alertmanager_routes(webhook_url: str) -> dict[str, Any]:
    """A configuration of Alertmanager that sends everything to one webhook, a narrative as one group."""
    return {
        "route": {
            "receiver": "webhook",
            "group_by": ["desk", "narrative_id", "watch", "alertname"],
            "group_wait": "1s",
            "group_interval": "2s",
            "repeat_interval": "120h",
            "routes": [
                {
                    "matchers": ['narrative_id!=""'],
                    "receiver": "webhook",
                    "group_by": ["desk", "narrative_id"],
                }
            ],
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook_url, "send_resolved": False}]}],
    }


class Monitoring(AbstractContextManager["Monitoring"]):
    """Both programs, from construction until `close`.

    targets: HOST:PORT of what serves /metrics, by job; rules: files by name; alertmanager: its configuration;
    interval_seconds: between two scrapes, and two evaluations of the rules.
    Raises BrokerError when one is missing or does not become ready.
    """

    def __init__(
        self,
        *,
        targets: Mapping[str, Sequence[str]],
        rules: Mapping[str, str],
        alertmanager: Mapping[str, Any],
        interval_seconds: int = 1,
    ) -> None:
        missing = missing_programs()
        if missing:
            raise BrokerError(f"not on the path: {', '.join(missing)}")
        self._programs = GuardedPrograms(_END_SECONDS)
        try:
            self.alertmanager_url = self._start_alertmanager(alertmanager)
            self.prometheus_url = self._start_prometheus(targets, rules, interval_seconds)
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End both."""
        self._programs.close()

    def alerts(self) -> list[dict[str, Any]]:
        """What Prometheus says of its alerts, pending and firing."""
        status, body = _get(self.prometheus_url, "/api/v1/alerts")
        alerts: list[dict[str, Any]] = json.loads(body)["data"]["alerts"] if status == http.client.OK else []
        return alerts

    def _start_alertmanager(self, configuration: Mapping[str, Any]) -> str:
        config = self._write("alertmanager.yml", configuration)
        address = f"{HOST}:{free_port()}"
        return self._run(
            "alertmanager",
            address,
            f"--config.file={config}",
            f"--storage.path={self._programs.folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",  # one alone; else it would look for others in the network
        )

    def _start_prometheus(
        self, targets: Mapping[str, Sequence[str]], rules: Mapping[str, str], interval_seconds: int
    ) -> str:
        for name, text in rules.items():
            path = self._programs.folder / "rules" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        every = f"{interval_seconds}s"
        config = self._write(
            "prometheus.yml",
            {
                "global": {
                    "scrape_interval": every,
                    "scrape_timeout": every,
                    "evaluation_interval": every,
                },
                "rule_files": ["rules/*.yml"],
                "alerting": {"alertmanagers": [_static(urlsplit(self.alertmanager_url).netloc)]},
                "scrape_configs": [
                    {"job_name": job, **_static(*addresses)} for job, addresses in targets.items()
                ],
            },
        )
        address = f"{HOST}:{free_port()}"
        return self._run(
            "prometheus",
            address,
            f"--config.file={config}",
            f"--storage.tsdb.path={self._programs.folder / 'prometheus'}",
            f"--web.listen-address={address}",
        )

    def _run(self, name: str, address: str, *arguments: str) -> str:
        pid = self._programs.run(name, [_find(name) or name, *arguments])
        url = f"http://{address}"
        deadline = time.monotonic() + _READY_SECONDS
        while not _is_ready(url):
            if not is_running(pid) or time.monotonic() > deadline:
                raise BrokerError(f"{name} does not become ready: {self._programs.output(name)}")
            time.sleep(_POLL_SECONDS)
        return url

    def _write(self, name: str, configuration: Mapping[str, Any]) -> Path:
        path = self._programs.folder / name
        path.write_text(yaml.safe_dump(dict(configuration), sort_keys=False), encoding="utf-8")
        return path


def _find(name: str, which: Callable[[str], str | None] = shutil.which) -> str | None:
    return next((path for path in map(which, PROGRAMS[name]) if path is not None), None)


def _static(*addresses: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(addresses)}]}


def _is_ready(url: str) -> bool:
    try:
        return _get(url, "/-/ready")[0] == http.client.OK
    except OSError:
        return False


def _get(url: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
