import numpy as np
from numpy.typing import NDArray

def squareform(x: NDArray[np.float64], force: str = ..., checks: bool = ...) -> NDArray[np.float64]: ...
