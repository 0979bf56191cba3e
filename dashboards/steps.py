"""What a push would do and did: one step for each thing, planned from how Grafana is at that moment.

A thing is compared before it is written, so that a second push changes nothing. When an answer was lost the
step is planned again: either the first attempt has arrived, then nothing is left to do, or it has not, then
it is tried again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from dashboards.errors import ConflictError, UnansweredError

__all__ = ["Action", "Planner", "Step", "carry_out", "covers"]

Action: TypeAlias = Literal["create", "update", "delete", "leave", "refuse"]
"""leave: it is as it should be, or it is not ours to change; refuse: it stands in the way."""

_ATTEMPTS: Final = 3


class Step(NamedTuple):
    """One thing in Grafana. send: carries the step out, None for leave and refuse."""

    kind: str
    name: str
    action: Action
    reason: str
    send: Callable[[], object] | None = None


class Planner(Protocol):
    """Looks at one thing in Grafana and says what is to be done."""

    def plan(self) -> Step:
        """The step, from how Grafana is now. Raises GrafanaError."""


def carry_out(planners: Iterable[Planner], *, dry_run: bool = False) -> Iterator[Step]:
    """Plan and do one step after the other; yields each when it is done.

    dry_run: plan only. A conflict becomes a step that is refused, and the others go on. Raises GrafanaError
    for what makes the others pointless.
    """
    for planner in planners:
        yield planner.plan() if dry_run else _done(planner)


def _done(planner: Planner) -> Step:
    step = planner.plan()
    first = step
    for attempt in range(1, _ATTEMPTS + 1):
        if step.send is None:
            break
        try:
            step.send()
            return step
        except ConflictError as error:
            return step._replace(action="refuse", reason=str(error), send=None)
        except UnansweredError:
            if attempt == _ATTEMPTS:
                raise
            step = planner.plan()
    # It had arrived though its answer was lost: what was done is what was planned first.
    return first if first.send is not None and step.action == "leave" else step


def covers(actual: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is there as it is wanted; Grafana adds fields of its own.

    Lists must agree item by item. What is wanted as null may be missing.
    """
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(
            covers(actual.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(wanted)
            and all(covers(*pair) for pair in zip(actual, wanted, strict=True))
        )
    return bool(actual == wanted)
