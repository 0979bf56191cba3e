"""A real Prometheus for tests, filled with hours of history in a second: no scraping, no waiting."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.samples import Sample

from streams.guarded import GuardedPrograms, is_running
from streams.loopback import HOST, free_port
from tests.programs import checked

__all__ = ["History", "Prometheus", "serve"]

_READY_SECONDS: Final = 30.0
_END_SECONDS: Final = 10.0
_expose: Final[Callable[[CollectorRegistry], bytes]] = generate_latest
# Labels that a scrape adds.
_SCRAPED: Final = {"instance": "127.0.0.1:9464", "job": "narrawatch"}


class History:
    """What scrapes of a registry would have seen: samples of many moments, a family at a time."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def scrape(self, registry: CollectorRegistry, at: float) -> None:
        """Take all samples of the registry as those of this moment, in seconds since 1970."""
        for family in registry.collect():
            kept = self._families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            kept.samples += [
                Sample(one.name, _SCRAPED | one.labels, one.value, at)
                for one in family.samples
                if not one.name.endswith("_created")
            ]

    def write(self, data: Path) -> None:
        """Write it as blocks of Prometheus into this folder."""
        text = data.parent / "history.txt"
        text.write_bytes(_expose(_Families(self._families.values())))
        checked("promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data))


class _Families(CollectorRegistry):
    """What the exposition of OpenMetrics wants: families, the samples of a series together."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._kept = list(families)

    def collect(self) -> Iterator[Metric]:
        for family in self._kept:
            family.samples.sort(key=lambda one: sorted(one.labels.items()))
            yield family


class Prometheus:
    """Questions to a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def instant(self, expression: str, at: float) -> list[dict[str, Any]]:
        """The series that an expression gives at a moment. Raises AssertionError with Prometheus' reason."""
        result = self._get("query", {"query": expression, "time": at})
        assert result["resultType"] in {"vector", "scalar"}, result
        series: list[dict[str, Any]] = result["result"] if result["resultType"] == "vector" else []
        return series

    def course(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series that an expression gives over a range."""
        result = self._get("query_range", {"query": expression, "start": start, "end": end, "step": step})
        series: list[dict[str, Any]] = result["result"]
        return series

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """The values of a label of the series that a selector matches."""
        values: list[str] = self._get(
            f"label/{label}/values", {"match[]": selector, "start": start, "end": end}
        )
        return values

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=dict(parameters), timeout=30)
        body = answer.json()
        assert body["status"] == "success", f"{body.get('error')}: {parameters}"
        return body["data"]


@contextlib.contextmanager
def serve(data: Path) -> Iterator[Prometheus]:
    """Run Prometheus on the blocks in a folder, on a free port of loopback; it scrapes nothing."""
    config = data.parent / "prometheus.yml"
    config.write_text("global: {}\n", encoding="utf-8")
    address = f"{HOST}:{free_port()}"
    programs = GuardedPrograms(_END_SECONDS)
    try:
        pid = programs.run(
            "prometheus",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                # The history is as old as it is written; it must not be thrown away.
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={address}",
            ],
        )
        _wait_until_ready(pid, f"http://{address}/-/ready", programs)
        yield Prometheus(f"http://{address}")
    finally:
        programs.close()


def _wait_until_ready(pid: int, url: str, programs: GuardedPrograms) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        assert is_running(pid), programs.output("prometheus")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=1).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"not ready within {_READY_SECONDS:g} s: {programs.output('prometheus')}")
