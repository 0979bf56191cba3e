"""What may stand in an address behind the question mark: the same for pages and API.

A form sends a field that was left alone as an empty one: that is the same as none.
"""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from pydantic import BeforeValidator, StringConstraints

from streams.web.queries import Choice, Sort, State

__all__ = ["ChoiceParameter", "PageParameter", "SortParameter"]

_MAX_PAGE = 100_000
_MAX_CHARACTERS = 512

T = TypeVar("T")


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


_EMPTY = BeforeValidator(_none_if_empty)
_Text = Annotated[Annotated[str, StringConstraints(max_length=_MAX_CHARACTERS)] | None, _EMPTY, Query()]

PageParameter = Annotated[int, Query(ge=1, le=_MAX_PAGE, description="The page, from 1.")]
SortParameter = Annotated[Sort | None, _EMPTY, Query(description="The order; recent unless said.")]


def _choice(
    *,
    q: Annotated[
        str, Query(max_length=_MAX_CHARACTERS, description="Words of a narrative or a comment, or an id.")
    ] = "",
    desk: _Text = None,
    state: Annotated[State | None, _EMPTY, Query(description="How the narrative is now.")] = None,
    kind: _Text = None,
    language: _Text = None,
    source: _Text = None,
) -> Choice:
    return Choice(q, desk, state, kind, language, source)


ChoiceParameter = Annotated[Choice, Depends(_choice)]
