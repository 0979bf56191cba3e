"""What a method says of a stream, and how the clusters of a peer become narratives.

A cluster emerges when it holds three comments of three authors, at the time of the comment at which that is
decided. A cluster that never emerges is no narrative: its comments count as held back, as with narrawatch.
"""

import time
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench.sets import Comment

__all__ = ["Found", "Material", "OutOfTimeError", "Tracker"]

_VOICES = 3  # comments, and authors, of a cluster that emerges


class OutOfTimeError(Exception):
    """The method takes longer than it is given."""


class Found(NamedTuple):
    """The narratives of one stream."""

    narratives: Mapping[str, Sequence[str]]  # by comment id: the narrative of each claim that has one
    emerged: Mapping[str, datetime]  # every narrative that emerged, those too that merged into another later
    seconds: float  # of processor time, for clustering alone


class Material(NamedTuple):
    """What a peer works on. vectors: (n, d) float32, of unit length, a row for each whole comment."""

    comments: Sequence[Comment]
    vectors: NDArray[np.float32]
    budget_seconds: float = float("inf")


class Tracker:
    """Takes the clusters of a peer as they are decided; its clock starts when it is made."""

    def __init__(self, material: Material) -> None:
        self._comments = material.comments
        self._budget_seconds = material.budget_seconds
        self._labels: dict[int, Hashable] = {}
        self._into: dict[Hashable, Hashable] = {}
        self._sizes: dict[Hashable, int] = {}
        self._authors: dict[Hashable, set[str]] = {}
        self._emerged: dict[Hashable, datetime] = {}
        self._started = time.process_time()

    def put(self, place: int, label: Hashable, *, decided: int | None = None) -> None:
        """Comment `place` is in the cluster `label`; decided: the comment at which that was known.

        Raises OutOfTimeError.
        """
        if time.process_time() - self._started > self._budget_seconds:
            raise OutOfTimeError
        cluster = self._alive(label)
        self._labels[place] = cluster
        self._sizes[cluster] = self._sizes.get(cluster, 0) + 1
        self._authors.setdefault(cluster, set()).add(self._comments[place].author)
        self._look(cluster, place if decided is None else decided)

    def merge(self, absorbed: Hashable, survivor: Hashable, *, decided: int) -> None:
        """The comments of one cluster, now and later, belong to another."""
        old, new = self._alive(absorbed), self._alive(survivor)
        if old == new:
            return
        self._into[old] = new
        self._sizes[new] = self._sizes.get(new, 0) + self._sizes.pop(old, 0)
        self._authors.setdefault(new, set()).update(self._authors.pop(old, ()))
        self._look(new, decided)

    def found(self) -> Found:
        """All that was taken; stops the clock."""
        seconds = time.process_time() - self._started
        final = {place: self._alive(label) for place, label in self._labels.items()}
        narratives = {
            self._comments[place].comment_id: [str(label)]
            for place, label in final.items()
            if label in self._emerged
        }
        return Found(narratives, {str(label): at for label, at in self._emerged.items()}, seconds)

    def _look(self, cluster: Hashable, decided: int) -> None:
        if cluster in self._emerged or self._sizes[cluster] < _VOICES:
            return
        if len(self._authors[cluster]) >= _VOICES:
            self._emerged[cluster] = self._comments[decided].at

    def _alive(self, label: Hashable) -> Hashable:
        while label in self._into:
            label = self._into[label]
        return label
