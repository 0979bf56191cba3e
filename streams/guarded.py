"""Programs that end with this process, even a killed one: the near side of `streams.broker_guard`."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.errors import BrokerError

__all__ = ["GuardedPrograms", "is_running"]

_GUARD = Path(__file__).with_name("broker_guard.py")
_MARGIN_SECONDS = 5.0
_TAIL_BYTES = 4_000
_TAIL_CHARACTERS = 400  # of the line that an error is


class GuardedPrograms:
    """Some programs and the folder that they run in. Starts nothing but its guard; `close` ends everything.

    end_seconds: how long programs may take to end at the close; 0 kills them at once.
    folder: an existing one that stays; by default a new one that goes with them.
    """

    def __init__(self, end_seconds: float, folder: Path | None = None) -> None:
        self._wait_seconds = end_seconds + _MARGIN_SECONDS
        self._guard = subprocess.Popen(
            [
                *(sys.executable, "-I", str(_GUARD), str(end_seconds)),
                *([] if folder is None else [str(folder)]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: the programs go last
        )
        self.folder = Path(self._answer())

    def run(self, name: str, command: Sequence[str]) -> int:
        """Start a program in the folder; returns its process id. Raises BrokerError."""
        answer = self._ask("run", name, list(command))
        if not answer.startswith("pid "):
            raise BrokerError(f"{command[0]} cannot be started: {answer}")
        return int(answer.removeprefix("pid "))

    def stop(self, name: str, seconds: float) -> None:
        """Ask a program to end and return when it has; after so many seconds it is killed."""
        self._ask("stop", name, seconds)

    def output(self, name: str) -> str:
        """The last of what a program has said, in one line."""
        path = self.folder / f"{name}.out"
        text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace") if path.exists() else ""
        return " ".join(text.split())[-_TAIL_CHARACTERS:]

    def close(self) -> None:
        """End all programs; safe to call twice."""
        try:
            self._guard.communicate(timeout=self._wait_seconds)  # closes its input: the sign to stop
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.communicate()

    def _ask(self, *order: object) -> str:
        if self._guard.stdin is None or self._guard.poll() is not None:
            raise BrokerError("the guard of the broker is gone")
        self._guard.stdin.write(json.dumps(order) + "\n")
        self._guard.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        line = "" if self._guard.stdout is None else self._guard.stdout.readline()
        if not line:
            raise BrokerError("the guard of the broker has ended")
        return line.rstrip("\n")


def is_running(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
