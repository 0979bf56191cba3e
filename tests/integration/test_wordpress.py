"""A real WordPress, followed live: what its public can read in the end arrived, and nothing else."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.apache.broker import ApacheBroker
from streams.ingest.markup import visible_text
from streams.settings import Settings
from streams.topics import Topic
from tests.integration.ingesting import Arrived, Ingester, arrived, ingest_settings, write_config
from tests.integration.live import records
from tests.wordpress.site import WordPressSite

pytestmark = pytest.mark.integration

COMMENTS = 500
ROUNDS = 10
A_ROUND = 25
SETTLED_SECONDS = 40.0
DAY = 86_400
AUTHORS = [f"Prénom-{number} Nom-{number}" for number in range(40)]


@pytest.fixture
def settings(apache_broker: ApacheBroker, tmp_path: Path) -> Settings:
    name = f"wp{time.monotonic_ns()}"
    return ingest_settings(
        tmp_path, kafka_bootstrap=apache_broker.address, topic_prefix=f"{name}-", partitions=3
    )


class Life:
    """A comment section that lives: what its visitors and its moderator do, and what may be seen of it."""

    def __init__(self, site: WordPressSite, rng: random.Random) -> None:
        self._site = site
        self._rng = rng
        self._articles = [site.article(f"L’article n° {number} & la suite") for number in range(8)]
        self._private = site.article("Pas pour tout le monde", public=False)
        self.written = 0
        self.public: list[int] = []
        self.held: list[int] = []
        self.secret: set[str] = set()  # texts that nobody outside may ever read
        self.parents: dict[str, str] = {}
        self.own: set[str] = set()  # ids; other tests write to the site, too

    def write(self, number: int, *, oldest: float) -> None:
        """So many comments, dated up to `oldest` seconds ago; every sixth is held, every twelfth private."""
        for _ in range(number):
            self.written += 1
            text = f"Remarque {self.written} : c’est un <b>rachat</b> &amp; rien d’autre."
            at = time.time() - self._rng.uniform(0, oldest)
            author = self._rng.choice(AUTHORS)
            if self.written % 12 == 5:
                self._site.comment(self._private, text, author, at=at)
                self.secret.add(f"Remarque {self.written} ")
                continue
            parent = self._rng.choice(self.public) if self.public and self._rng.random() < 0.3 else 0
            held = self.written % 6 == 0
            made = self._site.comment(
                self._rng.choice(self._articles), text, author, at=at, parent=parent, approved=not held
            )
            self.own.add(str(made))
            (self.held if held else self.public).append(made)
            if parent:
                self.parents[str(made)] = str(parent)

    def moderate(self) -> None:
        """Approve some that were held, edit, hold, mark as spam and delete others."""
        for number in self._some(self.held, 3):
            self.held.remove(number)
            self._site.approve(number)
            self.public.append(number)
        for number in self._some(self.public, 4):
            self._site.edit(number, f"Corrigé {number} à {time.time()} : je retire ce que j’ai dit.")
        for number in self._some(self.public, 1):
            self.public.remove(number)
            self.held.append(number)
            self._site.hold(number)
        for number in self._some(self.public, 2):
            self.public.remove(number)
            self._site.spam(number)
        for number in self._some(self.public, 2):
            self.public.remove(number)
            self._site.delete(number)

    def _some(self, numbers: list[int], most: int) -> list[int]:
        return self._rng.sample(numbers, min(most, len(numbers)))


def wait_for(settings: Settings, site: WordPressSite, ingester: Ingester) -> Arrived:
    """What has arrived, once it is what the site shows; the difference is an error."""
    shown = {number: visible_text(text) for number, text in site.approved().items()}
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        found = arrived(settings)
        there = {number: visible_text(comment.text) for number, comment in found.standing.items()}
        if there == shown:
            return found
        if time.monotonic() > deadline:
            differing = sorted(one for one in there.keys() | shown.keys() if there.get(one) != shown.get(one))
            examples = [(one, there.get(one), shown.get(one)) for one in differing[:5]]
            pytest.fail(f"{len(differing)} differ, {examples}: {ingester.log}")
        time.sleep(0.5)


def test_a_real_wordpress_is_followed_across_restarts(
    wordpress_site: WordPressSite, settings: Settings, tmp_path: Path
) -> None:
    site = wordpress_site
    rng = random.Random(6)  # noqa: S311 - the same life in every run
    life = Life(site, rng)
    config = write_config(
        tmp_path / "narrawatch.toml",
        [
            {
                "kind": "wordpress",
                "url": site.url,
                "desk": "french-tech",
                "name": "journal",
                "since": "5d",
                "poll_seconds": 0.2,
                "rescan_seconds": 1.0,
            }
        ],
    )
    log = tmp_path / "ingest.log"
    life.write(COMMENTS - ROUNDS * A_ROUND, oldest=2 * DAY)
    with ExitStack() as stack:

        def start() -> Ingester:
            return stack.enter_context(Ingester(settings, config, log))

        def end_and_start() -> Ingester:
            ingester.stop()
            return start().ready()

        def kill_and_start() -> Ingester:
            ingester.kill()
            return start()

        def restart_the_site() -> Ingester:
            site.stop()
            time.sleep(0.5)
            site.start()
            return ingester

        ingester = start().ready()
        faults: list[Callable[[], Ingester]] = [end_and_start, kill_and_start, restart_the_site]
        for turn in range(ROUNDS):
            life.write(A_ROUND, oldest=3_600 if turn % 2 else 60)
            life.moderate()
            if turn % 2:
                ingester = faults[turn // 2 % len(faults)]()
            time.sleep(rng.uniform(0.1, 0.8))
        found = wait_for(settings, site, ingester)
        ingester.stop()
    assert life.written == COMMENTS
    check(found, life, settings)


def check(found: Arrived, life: Life, settings: Settings) -> None:
    everything = b"".join(found.raw).decode()
    assert not [text for text in life.secret if text in everything]
    assert not [name for name in AUTHORS if name in everything], "a name left the process"
    assert not records(settings, Topic.DEAD_LETTERS)
    for number, comment in found.standing.items():
        if number not in life.own:
            continue
        assert (comment.source, comment.desk) == ("journal", "french-tech")
        parent = life.parents.get(number)
        # WordPress gives the replies of a deleted comment to the one above it.
        assert comment.parent == parent or parent not in found.standing
        assert comment.thread_title.startswith("L’article n° ")
        assert comment.thread_title.endswith(" & la suite")
        assert comment.permalink.startswith(comment.thread)
        assert len(comment.author) == 32
        assert comment.created_at_ms is not None
    assert len(life.own & found.standing.keys()) == len(life.public)
    # What was killed before its cursor was saved is sent again, and no more than that.
    versions = {(comment.id, comment.text, comment.deleted) for comment in found.every}
    assert len(found.every) < 2 * len(versions)
