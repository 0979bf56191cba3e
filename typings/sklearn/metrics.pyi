from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def adjusted_rand_score(
    labels_true: Sequence[Any] | NDArray[np.generic], labels_pred: Sequence[Any] | NDArray[np.generic]
) -> float: ...
def normalized_mutual_info_score(
    labels_true: Sequence[Any] | NDArray[np.generic], labels_pred: Sequence[Any] | NDArray[np.generic]
) -> float: ...
def f1_score(y_true: NDArray[Any], y_pred: NDArray[Any], *, average: str) -> float: ...
def roc_auc_score(y_true: NDArray[Any], y_score: NDArray[Any]) -> float: ...
