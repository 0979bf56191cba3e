"""The stream that brings an engine to all loops that are compiled."""

from importlib import import_module

import numba.core.dispatcher
import pytest

from models.compiled import compile_encoder, compile_loops
from models.encoder_build import is_possible


@pytest.fixture(scope="module")
def narratives() -> int:
    return compile_loops()


def test_it_has_more_narratives_than_are_searched_one_by_one(narratives: int) -> None:
    assert narratives > 256


@pytest.mark.parametrize(
    "name",
    [
        "centroids",
        "closer_look",
        "context",
        "copies",
        "first_look",
        "lexical",
        "linkage",
        "parts",
        "representation",
        "sketch_tables",
    ],
)
def test_it_comes_to_every_module_with_compiled_loops(narratives: int, name: str) -> None:
    module = import_module(f"models.{name}")
    loops = [
        value
        for value in vars(module).values()
        if isinstance(value, numba.core.dispatcher.Dispatcher) and value.py_func.__module__ == module.__name__
    ]
    # Those that only other loops call have no signature of their own when they come from the cache.
    assert any(loop.signatures for loop in loops)


def test_the_loops_of_the_encoder_are_compiled_where_they_run() -> None:
    assert compile_encoder() == is_possible("numba-int8")
