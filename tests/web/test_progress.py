"""How up to date the page is, and where it keeps what it has read."""

from pathlib import Path

import pytest

from streams.settings import Settings
from streams.web.progress import Progress
from streams.web.server import shared_store


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_ready_once_all_has_been_read_and_while_the_broker_answers() -> None:
    clock = Clock()
    progress = Progress("a test", broker_seconds=30, clock=clock)
    assert progress.obstacles() == ["the topics have not been read yet"]
    progress.answered(unread=7)
    assert progress.obstacles() == ["7 records have not been read yet"]
    progress.answered(unread=0)
    assert progress.obstacles() == []
    progress.answered(unread=7)  # what has just come
    assert progress.obstacles() == []
    progress.answered(unread=50_000)
    assert progress.obstacles() == ["50000 records have not been read yet"]
    progress.answered(unread=0)
    clock.now += 31
    assert progress.obstacles() == ["the broker has not answered for 31 s"]
    progress.trouble("it is away")
    assert progress.obstacles()[0] == "it is away"
    progress.answered(unread=0)
    assert progress.status(progress.obstacles())["status"] == "pass"


def test_a_folder_is_always_up_to_date() -> None:
    assert Progress("a folder").obstacles() == []


def test_pages_on_the_same_topics_do_not_share_a_file(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    with shared_store(settings) as first, shared_store(settings) as second:
        assert first.path.is_relative_to(tmp_path)
        assert not second.path.is_relative_to(tmp_path)
    assert first.path.exists()
    assert not second.path.exists()
    with (
        shared_store(settings) as again,
        shared_store(Settings(cache_dir=tmp_path, topic_prefix="x")) as other,
    ):
        assert again.path == first.path
        assert other.path not in (first.path, second.path)


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    with shared_store(Settings(cache_dir=tmp_path / "cache")) as store:
        assert not store.path.is_relative_to(tmp_path / "cache")
