"""The system's Chromium for tests: found, driven by Playwright, which downloads none of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["open_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """The browser, headless. Skips where there is none, and says so; with CI=true that is a failure."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        reason = "there is no Chromium here: on Debian, apt-get install chromium fonts-dejavu-core"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # Its sandbox does not work for root, whom containers run tests as; what it opens is served by the test.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
