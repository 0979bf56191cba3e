"""Fills the variables of a query in, as Grafana does before it asks Prometheus."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.dashboards.world import CHOSEN, DESK, HOURS, WATCH

__all__ = ["ALL", "CHOICES", "Question", "filled", "questions", "variables"]

ALL: Final = "$__all"

# What a person may have chosen at the top: a value, several, or all.
CHOICES: Final[Mapping[str, Mapping[str, str | Sequence[str]]]] = {
    "all": {"desk": ALL, "source": ALL, "watch": ALL, "narrative": CHOSEN},
    "chosen": {
        "desk": [DESK],
        "source": ["hackernews", "lemonde.example"],
        "watch": [WATCH],
        "narrative": CHOSEN,
    },
}
_BUILT_IN: Final = {"__rate_interval": "5m", "__interval": "1m", "__range_s": str(HOURS * 3600)}
_SPECIAL: Final = re.compile(r"[\\^$*+?.()|\[\]{}]")


class Question(NamedTuple):
    """A query of a dashboard, and where it stands."""

    board: str
    place: str
    expression: str
    instant: bool


def variables(model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of a dashboard by name."""
    return {one["name"]: one for one in model["templating"]["list"]}


def questions(name: str, model: Mapping[str, Any]) -> Iterator[Question]:
    """Everything that a dashboard asks Prometheus: its panels and its annotations."""
    for panel in model["panels"]:
        for target in panel.get("targets", []):
            place = f"{panel['title']}:{target['refId']}"
            yield Question(name, place, target["expr"], bool(target.get("instant")))
    for mark in model["annotations"]["list"]:
        if "expr" in mark:
            yield Question(name, f"annotation {mark['name']}", mark["expr"], instant=False)


def filled(expression: str, model: Mapping[str, Any], choices: Mapping[str, str | Sequence[str]]) -> str:
    """The query as Prometheus gets it. Raises KeyError for a variable that the dashboard does not have."""
    known = variables(model)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        variable = known[name]
        chosen = choices[name]
        if not variable.get("multi"):
            single = chosen if isinstance(chosen, str) else chosen[0]
            return _escaped(DESK if single == ALL else single)
        return variable["allValue"] if chosen == ALL else _alternatives(chosen)

    return re.sub(r"\$(\w+)", value, expression)


def _escaped(value: str) -> str:
    """Into a string of PromQL."""
    return re.sub(r"""[\\'"]""", r"\\\g<0>", value)


def _alternatives(values: str | Sequence[str]) -> str:
    """Into a regular expression within a string of PromQL."""
    listed = [values] if isinstance(values, str) else values
    escaped = [_SPECIAL.sub(lambda found: "\\\\" + found[0], value).replace('"', '\\"') for value in listed]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
