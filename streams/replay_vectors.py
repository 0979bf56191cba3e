"""Where the vectors of a replay come from: a model, or a file that somebody computed before."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.embedding import HashEmbedder
from models.preparation import ClaimMaker, Draft
from models.types import Claim
from streams.errors import InputError

__all__ = ["FileVectors", "Group", "ModelVectors", "VectorSource", "open_vectors"]


class Group(NamedTuple):
    """The claims of one comment. record: its number among all records of the input, from 0."""

    record: int
    drafts: list[Draft]


class VectorSource(Protocol):
    """Makes claims of drafts."""

    maker: ClaimMaker

    def claims(self, groups: Sequence[Group]) -> list[list[Claim]]:
        """The claims of each group. To be called with all groups of the input, in order, each once."""

    def finish(self, records: int) -> None:
        """Say that there were so many records in all. Raises InputError when there are vectors left."""


class ModelVectors:
    """Vectors from the embedder of the maker."""

    def __init__(self, maker: ClaimMaker) -> None:
        self.maker = maker

    def claims(self, groups: Sequence[Group]) -> list[list[Claim]]:
        """See `VectorSource`."""
        return self.maker.embed([group.drafts for group in groups])

    def finish(self, records: int) -> None:
        """See `VectorSource`: a model has no last vector."""


class FileVectors:
    """Rows of a matrix. With split claims, row i belongs to line i of assignments.jsonl, and a claim of
    nothing has a row, too; without, row i belongs to record i of the input, also where that was refused.
    """

    def __init__(self, path: Path, rows: NDArray[np.float32], *, split: bool) -> None:
        # Never asked for a vector: the rows are at hand.
        self.maker = ClaimMaker(HashEmbedder(rows.shape[1]), split=split)
        self._path = path
        self._rows = rows
        self._split = split
        self._used = 0  # rows of claims, when split

    def claims(self, groups: Sequence[Group]) -> list[list[Claim]]:
        """See `VectorSource`. Raises InputError when the rows do not suffice, or one has no direction."""
        wanted: list[int] = []
        for group in groups:
            for draft in group.drafts:
                if draft.asserts:
                    wanted.append(self._used if self._split else group.record)
                self._used += 1
        last = self._used if self._split else max((group.record + 1 for group in groups), default=0)
        if last > len(self._rows):
            raise InputError(f"{self._path} has {len(self._rows)} rows, but the input has more {self._unit}")
        rows = np.asarray(self._rows[wanted], dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        usable = np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0)
        if not usable.all():
            row = wanted[int(np.argmin(usable))]
            raise InputError(f"{self._path}: row {row} has no direction (all zeros, or not finite)")
        return self.maker.attach([group.drafts for group in groups], rows / lengths)

    def finish(self, records: int) -> None:
        """See `VectorSource`."""
        wanted = self._used if self._split else records
        if wanted != len(self._rows):
            raise InputError(
                f"{self._path} has {len(self._rows)} rows, but the input has {wanted} {self._unit}"
            )

    @property
    def _unit(self) -> str:
        return "claims" if self._split else "comments"


def open_vectors(path: Path, *, split: bool) -> FileVectors:
    """The matrix in a .npy file, (n, d) of floating point; it stays on the disk until a row is needed.

    Raises InputError when it is missing, no .npy file, or of another shape.
    """
    try:
        rows = np.load(path, mmap_mode="r")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is not a .npy file of numbers: {error}") from None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind != "f":
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else "an archive"
        raise InputError(f"{path}: wanted is one float32 matrix, a row a claim; found {found}")
    return FileVectors(path, rows, split=split)
