class UMAP:
    def __init__(
        self, *, n_neighbors: int, n_components: int, min_dist: float, metric: str, random_state: int
    ) -> None: ...
