"""Runs one program and makes sure that it ends with whoever started it; see `streams.broker`.

A script of its own with the standard library only: it is started by path, and stays small and single-threaded
while the program runs. Its standard input is a pipe that nobody writes to: the pipe closes when the parent
closes it or dies, however it dies, and then the program is stopped and its folder removed. (PR_SET_PDEATHSIG
would do so only on Linux, and when the thread that started it ends, not the process.)

Says "pid N" on its standard output, and the last lines of the program if it ended by itself.
"""

import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["guard"]

_POLL_SECONDS = 0.2
# The broker waits five seconds for its clients to leave; it keeps nothing, so there is nothing to wait for.
_TERMINATE_SECONDS = 0.5
_TAIL_CHARACTERS = 800


def _leave(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)


def _stop(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(_TERMINATE_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _watch(program: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of the parent (False) or of the program (True)."""
    while program.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
        if readable:
            return False
    return True


def guard(command: list[str]) -> int:
    """Run `command` in a new empty folder until it or the parent ends; returns the exit code for main."""
    with tempfile.TemporaryDirectory(prefix="narrawatch-broker-") as folder:
        log = Path(folder) / "log"
        try:
            with log.open("wb") as output:
                program = subprocess.Popen(
                    command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
        except OSError as error:
            print(error, flush=True)
            return 1
        try:
            print("pid", program.pid, flush=True)
            if _watch(program):
                print(log.read_text(errors="replace")[-_TAIL_CHARACTERS:], flush=True)
                return 1
        finally:
            _stop(program)
    return 0


if __name__ == "__main__":
    for _signal in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(_signal, _leave)
    sys.exit(guard(sys.argv[1:]))
