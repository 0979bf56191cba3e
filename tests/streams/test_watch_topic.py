"""Watches as records, and what the settings and the topic come to together."""

import msgspec
import numpy as np
import pytest

from models.embedding import HashEmbedder
from streams.errors import SettingsError
from streams.settings import Settings
from streams.settings_fields import MAX_WATCHES, Watch
from streams.watch_topic import StoredWatches, checked_watch, merged_watches
from streams.watchlist import Watchlist


def record(name: str, **fields: object) -> tuple[bytes, bytes]:
    return name.encode(), msgspec.json.encode({"name": name, "phrases": ["a disguised takeover"]} | fields)


def stored(*names: str) -> StoredWatches:
    return StoredWatches({name: Watch(name=name, phrases=("a disguised takeover",)) for name in names})


def test_records_add_replace_and_remove() -> None:
    found = StoredWatches()
    found = found.after(0, *record("a")).after(1, *record("b")).after(4, *record("a", desk="fr"))
    assert {name: watch.desk for name, watch in found.watches.items()} == {"a": "fr", "b": None}
    assert found.next_offset == 5
    assert found.after(5, b"a", None).watches.keys() == {"b"}
    assert found.after(5, b"never", None).watches == found.watches


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, record("a")[1]),
        (b"b", record("a")[1]),
        (b"\xff", record("a")[1]),
        (b"a", b"{"),
        (b"a", b""),
        (b"a", b'{"name": "a", "phrases": []}'),
        (b"a", b'{"name": "a", "phrases": ["x y"], "more": 1}'),
    ],
)
def test_what_is_no_watch_changes_nothing(key: bytes | None, value: bytes) -> None:
    before = stored("a")
    after = before.after(7, key, value)
    assert after.watches == before.watches
    assert (after.foreign, after.next_offset) == (1, 8)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "phrases": ("x y",)}, "name: '' is not allowed: 1 to 64 printable characters"),
        ({"name": "x\u202ey", "phrases": ("x y",)}, "name: 'x\\u202ey' is not allowed"),
        ({"name": "a\x1b[31m", "phrases": ("x y",)}, "name: 'a\\x1b[31m' is not allowed"),
        ({"name": "a", "phrases": ("x" * 301,)}, "phrases: "),
        ({"name": "a", "phrases": ("x y",) * 21}, "phrases: "),
        ({"name": "a", "phrases": ("x y",), "surprise": float("inf")}, "surprise: inf is not allowed"),
        ({"name": "a", "phrases": ("x y",), "similarity": 1.5}, "similarity: 1.5 is not allowed"),
        ({"name": "a", "phrases": ("x y",), "phrase": 1}, "a watch has no phrase"),
    ],
)
def test_what_a_watch_may_be_is_said_in_one_line(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_watch(fields)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_french_spaces_are_spaces() -> None:
    watch = checked_watch({"name": "rachat\u00a0!", "phrases": ("c\u2019est un\u202frachat",)})
    assert (watch.name, watch.phrases) == ("rachat !", ("c\u2019est un rachat",))


def test_the_settings_win_and_the_limit_holds() -> None:
    settings = Settings(watches=(Watch(name="b", phrases=("from the settings",)),))
    merged = merged_watches(settings, stored("a", "b"))
    assert [(one.watch.name, one.in_config, bool(one.hidden)) for one in merged] == [
        ("b", True, False),
        ("a", False, False),
        ("b", False, True),
    ]
    many = merged_watches(settings, stored(*(f"w{n:03}" for n in range(MAX_WATCHES + 5))))
    assert sum(not one.hidden for one in many) == MAX_WATCHES
    assert {one.hidden for one in many[MAX_WATCHES:]} == {f"there are {MAX_WATCHES} already"}


def test_a_phrase_is_embedded_once() -> None:
    embedded: list[str] = []

    def embed(texts: object) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        assert isinstance(texts, tuple)
        embedded.extend(texts)
        return HashEmbedder(64).embed(texts)

    settings = Settings(watches=(Watch(name="b", phrases=("from the settings",), similarity=0.5, desk="fr"),))
    watchlist = Watchlist(settings, stored("a"), embed, lambda _: "en")
    assert [watch.name for watch in watchlist.of("fr")] == ["b", "a"]
    assert [watch.name for watch in watchlist.of("en")] == ["a"]
    assert watchlist.of("fr")[0].threshold == 0.5
    watchlist.update(stored("a", "c"))
    assert [watch.name for watch in watchlist.of("en")] == ["a", "c"]
    assert embedded == ["from the settings", "a disguised takeover", "a disguised takeover"]
    watchlist.update(StoredWatches())
    assert watchlist.names == {"b"}
