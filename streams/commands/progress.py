"""A progress bar on standard error for commands that read files; without a terminal it shows nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streams.commands.options import error_console

__all__ = ["ReadingProgress"]


class ReadingProgress(AbstractContextManager["ReadingProgress"]):
    """The bar follows the bytes of the inputs: how many comments there are is known only at the end.

    inputs: files, or "-", whose size is unknown; then the bar only shows that something happens.
    """

    def __init__(self, doing: str, inputs: Sequence[str]) -> None:
        console = error_console()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]} comments"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task(doing, total=_total_bytes(inputs), count=0, note="")
        self._count = 0

    def __enter__(self) -> "ReadingProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, comments: int, size_bytes: int, note: str | None = None) -> None:
        """So many more comments, of so many bytes, are done. note: replaces what is said beside them."""
        self._count += comments
        self._progress.advance(self._task, size_bytes + comments)  # a line's end is a byte
        if note is None:
            self._progress.update(self._task, count=self._count)
        else:
            self._progress.update(self._task, count=self._count, note=note)


def _total_bytes(inputs: Sequence[str]) -> int | None:
    paths = [Path(name) for name in inputs]
    return sum(path.stat().st_size for path in paths) if all(path.is_file() for path in paths) else None
