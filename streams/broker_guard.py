"""Runs programs and makes sure that they end with whoever started them; `streams.guarded` talks to it.

A script of its own with the standard library only: it is started by path, and stays small and single-threaded
while the programs run. Its standard input is a pipe that closes when the parent closes it or dies, however it
dies, and then the programs are stopped, and the folder is removed if it was made here. (PR_SET_PDEATHSIG
would do so only on Linux, and when the thread that started it ends, not the process.)

    python broker_guard.py SECONDS [FOLDER]

SECONDS: how long programs may take to end when they are asked to; 0 kills them at once. FOLDER: where they
run and their output goes; by default a new one, removed at the end. The first line it prints is the folder.
Then it takes orders as lines of JSON, and answers each with a line:

    ["run", NAME, [PROGRAM, ARGUMENT...]]    "pid N", or what is wrong; the output goes to FOLDER/NAME.out
    ["stop", NAME, SECONDS]                  "stopped", when it has ended
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

__all__ = ["Guard", "main"]

_POLL_SECONDS = 0.02
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Guard:
    """The programs of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def reap(self, *_: object) -> None:
        """Let programs that have ended go, so that nobody takes them for running."""
        for program in list(self._programs.values()):
            program.poll()

    def run(self, name: str, command: list[str]) -> str:
        """Start a program; the answer is for the parent."""
        try:
            with (self._folder / f"{name}.out").open("ab") as output:
                self._programs[name] = subprocess.Popen(
                    command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
        except OSError as error:
            return str(error)
        return f"pid {self._programs[name].pid}"

    def stop(self, name: str, seconds: float) -> str:
        """End a program that may take so long; the answer is for the parent."""
        if (program := self._programs.pop(name, None)) is not None:
            self._end([program], seconds)
        return "stopped"

    def stop_all(self, seconds: float) -> None:
        """End all of them together."""
        self._end(list(self._programs.values()), seconds)
        self._programs.clear()

    def _end(self, programs: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
        running = [program for program in programs if program.poll() is None]
        deadline = time.monotonic() + seconds
        if seconds > 0:
            for program in running:
                program.terminate()
        while any(program.poll() is None for program in running) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        for program in running:
            program.kill()
            program.wait()


def main(end_seconds: float, folder: Path | None) -> None:
    """Take orders until the input closes."""
    with ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="narrawatch-broker-")
            folder = Path(stack.enter_context(made))
        guard = Guard(folder)
        stack.callback(guard.stop_all, end_seconds)
        signal.signal(signal.SIGCHLD, guard.reap)
        print(folder, flush=True)
        for line in sys.stdin:
            order, *arguments = json.loads(line)
            answer = guard.run(*arguments) if order == "run" else guard.stop(*arguments)
            print(answer, flush=True)


def _leave(signum: int, _frame: object) -> None:
    for number in _SIGNALS:  # once is enough: what is to be done now must not be broken off
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    for _signal in _SIGNALS:
        signal.signal(_signal, _leave)
    main(float(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
