"""The part of threadpoolctl that narrawatch calls."""

from contextlib import AbstractContextManager
from typing import Literal

def threadpool_limits(
    limits: int | None = None, user_api: Literal["blas", "openmp"] | None = None
) -> AbstractContextManager[object]: ...
