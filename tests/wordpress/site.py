"""A WordPress on loopback, in a folder of its own, from the files of Debian's packages.

`make test` has installed them where it may (.ci/system-packages); nothing of it runs as a service.
"""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

from streams.loopback import free_port

__all__ = ["WordPressSite", "require_wordpress"]

_FILES: Final = Path("/usr/share/wordpress")
_PROGRAMS: Final = ("php", "mariadbd", "mariadb-install-db", "mariadb")
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_CONFIGURATION = """<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:{socket}');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('AUTH_KEY', '{secret}');
define('WP_HOME', '{url}');
define('WP_SITEURL', '{url}');
define('WP_CONTENT_DIR', '{folder}/wp-content');
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) {{
    define('ABSPATH', '{folder}/');
}}
require_once ABSPATH . 'wp-settings.php';
"""
_THEME = "<!doctype html><html><head><?php wp_head(); ?></head><body><?php wp_footer(); ?></body></html>"


def require_wordpress() -> None:
    """Skip the test where Debian's WordPress is not there; with CI=true that is a failure."""
    missing = [name for name in _PROGRAMS if _program(name) is None]
    missing += [] if (_FILES / "wp-load.php").exists() else ["the files of wordpress"]
    if not missing:
        return
    reason = f"WordPress needs {', '.join(missing)}: see .ci/system-packages"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


class WordPressSite:
    """From `with` on it answers at `url`; `stop` and `start` are an outage of its web server."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        # Not pytest's folder: the path of a Unix socket has an end.
        self._folder = Path(tempfile.mkdtemp(prefix="narrawatch-wp-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._log = self._stack.enter_context((self._folder / "log").open("w"))
        self._socket = self._folder / "db.sock"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._web: subprocess.Popen[bytes] | None = None
        self._driver: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            self._start_database()
            self._start_driver()
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._stack.close()

    def start(self) -> None:
        """Start the web server and wait until it answers."""
        self._web = subprocess.Popen(
            ["php", "-S", f"127.0.0.1:{self._port}", "-t", str(self._folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._wait(self._answers, "the web server of WordPress")

    def stop(self) -> None:
        """Stop the web server; the database stays."""
        if self._web is not None:
            _end(self._web)
            self._web = None

    def article(self, title: str, *, public: bool = True) -> int:
        """Publish an article; returns its id."""
        return int(self._do("article", title=title, status="publish" if public else "private"))

    def comment(
        self, article: int, text: str, author: str, *, at: float, parent: int = 0, approved: bool = True
    ) -> int:
        """Write a comment dated `at`, seconds since 1970; returns its id."""
        return int(
            self._do(
                "comment",
                article=article,
                text=text,
                author=author,
                at=int(at),
                parent=parent,
                approved=approved,
            )
        )

    def edit(self, comment: int, text: str) -> None:
        """Change what a comment says."""
        self._do("edit", id=comment, text=text)

    def approve(self, comment: int) -> None:
        """Show a comment that was held."""
        self._do("status", id=comment, status="approve")

    def hold(self, comment: int) -> None:
        """Put a comment back into moderation."""
        self._do("status", id=comment, status="hold")

    def spam(self, comment: int) -> None:
        """Mark a comment as spam."""
        self._do("status", id=comment, status="spam")

    def delete(self, comment: int) -> None:
        """Delete a comment for good."""
        self._do("delete", id=comment)

    def approved(self) -> dict[str, str]:
        """What the public can read: the HTML of each comment by its id."""
        shown: dict[str, str] = self._do("approved")
        return shown

    def _do(self, command: str, **arguments: Any) -> Any:
        driver = self._driver
        assert driver is not None
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        driver.stdin.flush()
        answer = driver.stdout.readline()
        assert answer, f"WordPress failed: {(self._folder / 'log').read_text()[-2_000:]}"
        return json.loads(answer)

    def _lay_out(self) -> None:
        folder = self._folder
        for file in _FILES.glob("*.php"):  # copies: what they include they look for beside themselves
            shutil.copy(file, folder / file.name)
        for name in ("wp-includes", "wp-admin"):
            (folder / name).symlink_to(_FILES / name)
        theme = folder / "wp-content" / "themes" / "plain"
        theme.mkdir(parents=True)
        (folder / "wp-content" / "plugins").mkdir()
        (theme / "style.css").write_text("/*\nTheme Name: Plain\n*/\n", encoding="ascii")
        (theme / "index.php").write_text(_THEME, encoding="ascii")
        configuration = _CONFIGURATION.format(
            socket=self._socket, secret=secrets.token_hex(32), url=self.url, folder=folder
        )
        (folder / "wp-config.php").write_text(configuration, encoding="ascii")

    def _start_database(self) -> None:
        data = self._folder / "db"
        user = [f"--user={os.environ.get('USER', 'root')}"] if os.geteuid() == 0 else []
        options = ["--no-defaults", f"--datadir={data}", *user]
        subprocess.run(
            [
                _program("mariadb-install-db") or "",
                *options,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            stdout=self._log,
            stderr=self._log,
            check=True,
            timeout=_START_SECONDS,
        )
        server = subprocess.Popen(
            [
                _program("mariadbd") or "",
                *options,
                f"--socket={self._socket}",
                f"--pid-file={self._folder}/db.pid",
                "--skip-networking",
                # It is thrown away at the end: nothing need reach the disk.
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-flush-method=nosync",
                "--innodb-buffer-pool-size=32M",
                "--performance-schema=OFF",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._stack.callback(_end, server)
        self._wait(lambda: self._sql("CREATE DATABASE wordpress CHARACTER SET utf8mb4"), "the database")

    def _sql(self, statement: str) -> bool:
        asked = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self._socket}", "--user=root", "-e", statement],
            stdout=self._log,
            stderr=self._log,
            check=False,
        )
        return asked.returncode == 0

    def _start_driver(self) -> None:
        self._driver = subprocess.Popen(
            ["php", str(Path(__file__).with_name("driver.php")), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._stack.callback(_end, self._driver)
        assert self._driver.stdout is not None
        line = self._driver.stdout.readline()
        assert line == "ready\n", f"WordPress says {line!r}: {(self._folder / 'log').read_text()[-2_000:]}"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/wp-json/", timeout=10) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _wait(self, good: Any, what: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not good():
            log = (self._folder / "log").read_text(errors="replace")[-2_000:]
            assert time.monotonic() < deadline, f"{what} does not start: {log}"
            time.sleep(0.1)


def _end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
