"""One Prometheus for all that is asked of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.world import lived
from tests.programs import require_programs
from tests.prometheus import Prometheus, serve


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Six hours of the app's own metrics."""
    require_programs("prometheus", "promtool")
    data: Path = tmp_path_factory.mktemp("prometheus") / "data"
    lived().write(data)
    with serve(data) as running:
        yield running
