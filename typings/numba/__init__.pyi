from collections.abc import Callable, Set
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

def njit(
    *, cache: bool = ..., fastmath: bool | Set[str] = ..., inline: str = ...
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
