from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

def njit(*, cache: bool = ...) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
