"""What of the window, and of the narratives near it, is one: similarities of today, and average linkage."""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.centroids import Centroids
from models.context import Context
from models.linkage import average_linkage
from models.narrative import HELD_BACK
from models.parameters import Parameters
from models.parts import Parts, Rest
from models.representation import Representation, products_of
from models.revision import Group
from models.window import Window

__all__ = ["Grouping", "View"]


class View(NamedTuple):
    """The window as it looks today, one entry a claim."""

    rows: NDArray[np.float32]  # as `Representation.rows` makes them
    inside: NDArray[np.float32]  # the dense part, as seen inside the thread
    threads: list[str]

    @property
    def plain(self) -> NDArray[np.float32]:
        """The dense part, as seen anywhere: (n, dense)."""
        return self.rows[:, : self.inside.shape[1]]


class Grouping:
    """Keeps the sums of narratives (both views of them) in step with the window, and compares."""

    def __init__(self, centroids: Centroids, parts: Parts, parameters: Parameters) -> None:
        self._centroids = centroids
        self._parts = parts
        self._parameters = parameters

    def look(self, window: Window, representation: Representation, context: Context) -> View:
        """The window (not empty) with the means and weights of today; the sums of narratives follow."""
        rows, threads = window.rows(representation), window.threads()
        context.measure(threads, rows)
        view = View(rows, context.inside(threads, rows), threads)
        self.refresh(view, window.owners)
        return view

    def refresh(self, view: View, owners: Sequence[int]) -> None:
        """Make all sums anew. owners: the uid of each claim, or -1."""
        self._centroids.refresh(view.rows, np.array(owners, dtype=np.int64))
        self._parts.refresh(view.threads, view.plain, view.inside, owners)

    def near(self, view: View, held: list[int], threshold: float, known: Set[int]) -> set[int]:
        """Uids of the narratives that held-back claims could join, and the known ones."""
        known = known | self._parts.uids({view.threads[place] for place in held})
        return {*known, *self._centroids.related(view.rows[held], threshold, but=known)}

    def products(
        self,
        view: View,
        places: list[int],
        uids: list[int],
        worth: Callable[[str], float],
        *,
        rest: Rest | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Similarities of n claims and m narratives, summed over pairs: (n + m, n + m); and sizes (n + m,).

        worth: what two claims gain by sharing a thread; rest: see `rest_of`; of narratives, all is meant
        without it.
        """
        sums, sizes, active = self._centroids.items(uids, rest)
        items = np.concatenate([view.rows[places], sums])
        products = products_of(items)
        self._parts.correct(
            products,
            [view.threads[place] for place in places],
            view.plain[places],
            view.inside[places],
            uids=uids,
            worth=worth,
            rest=rest,
        )
        idle = len(places) + np.flatnonzero(~active)
        for one in (products, products.T):  # an idle one is as far from all others, idle or not
            one[idle] /= np.float32(self._parameters.idle_factor)
        products[np.ix_(idle, idle)] *= np.float32(self._parameters.idle_factor)
        return products, np.concatenate([np.ones(len(places)), sizes])

    def rest_of(self, view: View, places: Iterable[int], owners: Sequence[int]) -> Rest:
        """The claims at all other places that are of narratives. owners: of each place, or -1."""
        apart = set(places)
        others = [place for place, uid in enumerate(owners) if uid != HELD_BACK and place not in apart]
        return Rest(
            rows=view.rows[others],
            inside=view.inside[others],
            threads=[view.threads[place] for place in others],
            owners=[owners[place] for place in others],
        )

    def with_rest(self, uids: Iterable[int], rest: Rest) -> list[int]:
        """Those of some narratives, ascending, that have claims in the rest, or settled ones."""
        owners = set(rest.owners)
        return sorted(uid for uid in uids if uid in owners or self._centroids.is_settled(uid))

    def drawn_together(
        self, products: NDArray[np.float32], sizes: NDArray[np.float64], owners: Sequence[int], stay: float
    ) -> NDArray[np.float32]:
        """Products, and what items gain that are in one narrative already. owners: of each item, or -1."""
        drawn, of = products.copy(), np.array(owners)
        for uid in np.unique(of[of != HELD_BACK]):
            items = np.flatnonzero(of == uid)
            drawn[np.ix_(items, items)] += np.float32(stay) * np.outer(sizes[items], sizes[items])
        return drawn

    def groups(
        self,
        products: NDArray[np.float32],
        sizes: NDArray[np.float64],
        places: list[int],
        uids: list[int],
        threshold: float,
    ) -> list[Group]:
        """Claims and narratives that are one, in order of the first item; arguments as of `products`."""
        labels = average_linkage(products, sizes, threshold, self._parameters.doubt)
        groups: dict[int, Group] = {}
        for item, label in enumerate(labels.tolist()):
            group = groups.setdefault(label, Group([], []))
            if item < len(places):
                group.places.append(places[item])
            else:
                group.uids.append(uids[item - len(places)])
        return list(groups.values())
