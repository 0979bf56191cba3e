"""Refined labels: which narratives are asked for, and what is known of the answers.

Off unless the settings name an endpoint (`streams.label_client` asks it). Nothing waits for it: a narrative
keeps its plain label until a refined one is there, and whenever something fails.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from models.outcome import NarrativeView
from streams.errors import RefinementError, RefinementOutcome
from streams.label_client import LabelClient
from streams.metrics import Metrics
from streams.settings_fields import Settings

__all__ = ["LabelRefiner", "refine_all"]

QUEUE_NARRATIVES = 200  # waiting; the oldest makes room for the newest
CONCURRENT_REQUESTS = 4

_logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""Desk and narrative id."""


class LabelRefiner:
    """Asks for labels in the background and remembers them. All on one event loop, but `overlaid`.

    on_refined: called with desk and id when a label has come, and may raise only what should end `run`.
    """

    def __init__(
        self,
        make_client: Callable[[], LabelClient],
        metrics: Metrics | None = None,
        *,
        queue_narratives: int = QUEUE_NARRATIVES,
        concurrent_requests: int = CONCURRENT_REQUESTS,
    ) -> None:
        self._make_client = make_client
        self._metrics = metrics
        self._queue_narratives = queue_narratives
        self._concurrent_requests = concurrent_requests
        self._waiting: dict[Key, NarrativeView] = {}  # the oldest first
        self._asked: dict[Key, str] = {}  # the plain label that was asked about last
        self._refined: dict[Key, str] = {}
        self._news = asyncio.Event()
        self._logged: set[RefinementOutcome] = set()
        self.outcomes: Counter[RefinementOutcome] = Counter()

    def offer(self, desk: str, views: Iterable[NarrativeView]) -> None:
        """These narratives are new or changed: those with a label that was not asked about will be."""
        for view in views:
            key = (desk, view.narrative_id)
            if self._asked.get(key) == view.label:
                continue
            self._asked[key] = view.label
            self._waiting.pop(key, None)
            self._waiting[key] = view
            if len(self._waiting) > self._queue_narratives:
                del self._waiting[next(iter(self._waiting))]
                self._count(RefinementOutcome.DROPPED, "more wait than the endpoint answers")
        self._news.set()

    def forget(self, desk: str, narrative_ids: Iterable[str]) -> None:
        """These narratives are over."""
        self._forget((desk, narrative_id) for narrative_id in narrative_ids)

    def forget_desks(self, desks: Iterable[str]) -> None:
        """These desks belong to another worker now."""
        gone = set(desks)
        self._forget([key for key in self._asked if key[0] in gone])

    def overlaid(self, desk: str, view: NarrativeView) -> NarrativeView:
        """The view with its refined label, if there is one, and the plain one beside it."""
        refined = self._refined.get((desk, view.narrative_id))
        if refined is None:
            return view
        return msgspec.structs.replace(view, label=refined, plain_label=view.label)

    async def run(self, on_refined: Callable[[str, str], Awaitable[None]]) -> None:
        """Ask until cancelled."""
        async with self._make_client() as client, asyncio.TaskGroup() as group:
            for _ in range(self._concurrent_requests):
                group.create_task(self._work(client, on_refined, until_empty=False))

    async def finish(self, on_refined: Callable[[str, str], Awaitable[None]]) -> None:
        """Ask for all that wait, and return."""
        async with self._make_client() as client, asyncio.TaskGroup() as group:
            for _ in range(self._concurrent_requests):
                group.create_task(self._work(client, on_refined, until_empty=True))

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            for known in (self._waiting, self._asked, self._refined):
                known.pop(key, None)

    async def _work(
        self, client: LabelClient, on_refined: Callable[[str, str], Awaitable[None]], *, until_empty: bool
    ) -> None:
        while True:
            while not self._waiting:
                if until_empty:
                    return
                self._news.clear()
                await self._news.wait()
            key = next(iter(self._waiting))
            if await self._refine(client, key, self._waiting.pop(key)):
                await on_refined(*key)

    async def _refine(self, client: LabelClient, key: Key, view: NarrativeView) -> bool:
        """Whether there is a new label."""
        try:
            label = await client.refine(view)
        except RefinementError as error:
            self._count(error.outcome, str(error))
            return False
        except Exception as error:  # of ours or of a library: a label is not worth a worker
            self._count(RefinementOutcome.FAILED, type(error).__name__)
            return False
        self._count(RefinementOutcome.REFINED, "")
        if key not in self._asked:  # it ended meanwhile
            return False
        self._refined[key] = label
        return True

    def _count(self, outcome: RefinementOutcome, detail: str) -> None:
        self.outcomes[outcome] += 1
        if self._metrics is not None:
            self._metrics.label_refinement(outcome)
        if outcome is not RefinementOutcome.REFINED and outcome not in self._logged:
            self._logged.add(outcome)
            _logger.warning(
                "a label was not refined (%s: %s); further ones are only counted", outcome, detail
            )


def refine_all(
    settings: Settings, views: Mapping[str, tuple[str, NarrativeView]]
) -> dict[str, tuple[str, NarrativeView]]:
    """Narratives by id with their desks, with refined labels where the endpoint gives some.

    Waits for all of them; not to be called on an event loop.
    """
    if settings.label_api_url is None or not views:
        return dict(views)
    refiner = LabelRefiner(lambda: LabelClient(settings), queue_narratives=len(views))
    for desk, view in views.values():
        refiner.offer(desk, [view])

    async def nothing(desk: str, narrative_id: str) -> None:
        pass

    asyncio.run(refiner.finish(nothing))
    return {key: (desk, refiner.overlaid(desk, view)) for key, (desk, view) in views.items()}
