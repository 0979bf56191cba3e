from numpy.typing import ArrayLike, NDArray
import numpy as np

def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> NDArray[np.float64]: ...
