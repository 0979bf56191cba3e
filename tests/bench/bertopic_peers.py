"""BERTopic: online, as its documentation sets it up, and over the whole stream at once.

The batch run is a reference, not a rival: it has read the end of the stream before it says anything.
"""

import warnings
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA

from tests.bench.found import Found, Material, Tracker
from tests.bench.peer import NotInstalledError

if TYPE_CHECKING:
    from bertopic import BERTopic

__all__ = ["BERTopicBatch", "BERTopicOnline"]

_BATCH = 100  # comments of a partial fit; the last batch takes the rest
_OUTLIER = -1


class BERTopicOnline(NamedTuple):
    """topics: of its k-means, fixed in advance. components: that the vectors are reduced to."""

    topics: int
    components: int

    def __call__(self, material: Material) -> Found:
        """See `Peer`.  A batch is decided at its last comment."""
        model = self._model()
        texts = [comment.text for comment in material.comments]
        vectors = material.vectors.astype(np.float64)  # its second partial fit fails on float32
        tracker = Tracker(material)
        ends = [*range(_BATCH, len(texts) - _BATCH, _BATCH), len(texts)]
        for start, end in zip([0, *ends], ends, strict=False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.partial_fit(texts[start:end], vectors[start:end])
            for place, topic in zip(range(start, end), model.topics_, strict=True):
                tracker.put(place, int(topic), decided=end - 1)
        return tracker.found()

    def _model(self) -> "BERTopic":
        try:
            from bertopic import BERTopic  # noqa: PLC0415
            from bertopic.vectorizers import OnlineCountVectorizer  # noqa: PLC0415
        except ImportError:
            raise NotInstalledError("bertopic") from None
        return BERTopic(
            umap_model=IncrementalPCA(n_components=self.components),
            hdbscan_model=MiniBatchKMeans(n_clusters=self.topics, random_state=0),
            vectorizer_model=OnlineCountVectorizer(decay=0.01),
        )


class BERTopicBatch(NamedTuple):
    """min_topic_size: comments of the smallest topic."""

    min_topic_size: int

    def __call__(self, material: Material) -> Found:
        """See `Peer`.  All is decided at the last comment; outliers are in no cluster."""
        _compile()
        model = _batch_model(self.min_topic_size)
        tracker = Tracker(material)
        last = len(material.comments) - 1
        topics = _topics(model, [comment.text for comment in material.comments], material)
        for place, topic in enumerate(topics):
            if topic != _OUTLIER:
                tracker.put(place, topic, decided=last)
        return tracker.found()


def _topics(model: "BERTopic", texts: list[str], material: Material) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        topics, _ = model.fit_transform(texts, material.vectors.astype(np.float64))
    return [int(topic) for topic in topics]


def _batch_model(min_topic_size: int) -> "BERTopic":
    """With its own defaults, but for the size of a topic and a seed."""
    try:
        from bertopic import BERTopic  # noqa: PLC0415
        from umap import UMAP  # noqa: PLC0415
    except ImportError:
        raise NotInstalledError("bertopic") from None
    reduction = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=0)
    return BERTopic(umap_model=reduction, min_topic_size=min_topic_size)


@cache
def _compile() -> None:
    """Let numba compile what UMAP and HDBSCAN need, which takes longer than a world does."""
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    texts = [f"word{place % 7} word{place % 5}" for place in range(len(vectors))]
    _topics(_batch_model(10), texts, Material([], vectors))
