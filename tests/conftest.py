"""What tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.packaged import default_cache_dir
from streams.apache.broker import ApacheBroker
from tests.apache import QUICK_RESTART, require_apache
from tests.wordpress.site import WordPressSite, require_wordpress


@pytest.fixture(scope="session")
def model_cache_dir() -> Path:
    """The user's own cache, so that the packaged model is built once on a machine and not once a run."""
    return default_cache_dir()


@pytest.fixture(scope="session")
def apache_broker(model_cache_dir: Path) -> Iterator[ApacheBroker]:
    """One Apache Kafka of a single node for all tests that share it: each uses topics of its own.

    Skips where there is no Java or Maven; see `tests.apache`.
    """
    require_apache(model_cache_dir)
    with ApacheBroker(cache_dir=model_cache_dir, properties=QUICK_RESTART) as running:
        yield running


@pytest.fixture(scope="session")
def wordpress_site() -> Iterator[WordPressSite]:
    """One real WordPress for all tests that share it: what one writes the others see.

    Skips where Debian's packages are not there; see `tests.wordpress.site`.
    """
    require_wordpress()
    with WordPressSite() as running:
        yield running
