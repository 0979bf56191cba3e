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
