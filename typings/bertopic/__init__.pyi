"""The part of BERTopic that the bench calls; the package itself carries no types."""

from collections.abc import Sequence

import numpy as np
from bertopic.vectorizers import OnlineCountVectorizer
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from umap import UMAP

class BERTopic:
    topics_: list[int]
    def __init__(
        self,
        *,
        umap_model: UMAP | IncrementalPCA,
        min_topic_size: int = ...,
        hdbscan_model: MiniBatchKMeans = ...,
        vectorizer_model: OnlineCountVectorizer = ...,
    ) -> None: ...
    def partial_fit(self, documents: Sequence[str], embeddings: NDArray[np.float64]) -> BERTopic: ...
    def fit_transform(
        self, documents: Sequence[str], embeddings: NDArray[np.float64]
    ) -> tuple[list[int], NDArray[np.float64] | None]: ...
