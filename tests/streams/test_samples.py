"""The sample stream that ships with the project: what `make demo` and other tests may rely on."""

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from html import unescape
from importlib.resources import files
from itertools import combinations
from statistics import median
from typing import Literal, TypedDict, cast

import pytest


class Label(TypedDict):
    id: str
    stance: Literal["supports", "rebuts"]


class Sample(TypedDict):
    id: str
    source: str
    thread: str
    thread_title: str
    lang: str
    author: str
    created_at: str
    parent: str | None
    text: str
    narratives: list[Label]


class Narrative(TypedDict):
    title_fr: str
    title_en: str
    kind: Literal["organic", "campaign"]
    onset: str


SAMPLES = files("streams.samples")
START = datetime(2026, 9, 7, 6, tzinfo=UTC)
END = datetime(2026, 9, 11, 22, tzinfo=UTC)


def load_comments() -> list[Sample]:
    lines = SAMPLES.joinpath("comments.jsonl").read_text(encoding="utf-8").splitlines()
    return [cast("Sample", json.loads(line)) for line in lines]


def load_narratives() -> dict[str, Narrative]:
    text = SAMPLES.joinpath("narratives.json").read_text(encoding="utf-8")
    return cast("dict[str, Narrative]", json.loads(text))


@pytest.fixture(scope="module")
def comments() -> list[Sample]:
    return load_comments()


@pytest.fixture(scope="module")
def narratives() -> dict[str, Narrative]:
    return load_narratives()


def when(comment: Sample) -> datetime:
    return datetime.strptime(comment["created_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def stance(comment: Sample, narrative: str) -> str | None:
    return next((label["stance"] for label in comment["narratives"] if label["id"] == narrative), None)


def mentions(comments: list[Sample], narrative: str) -> list[Sample]:
    return [comment for comment in comments if stance(comment, narrative)]


def supporters(comments: list[Sample], narrative: str) -> list[Sample]:
    return [comment for comment in comments if stance(comment, narrative) == "supports"]


def words(text: str) -> list[str]:
    plain = unescape(re.sub(r"<[^>]+>", " ", text)).lower()
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    return re.findall(r"\w+", bare)


def trigrams(text: str) -> set[tuple[str, ...]]:
    tokens = words(text)
    return {tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)}


def jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right)


def test_fields(comments: list[Sample]) -> None:
    for comment in comments:
        assert list(comment) == list(Sample.__annotations__)
        for name in ("id", "source", "thread", "thread_title", "lang", "author", "text"):
            value = comment[name]
            assert isinstance(value, str)
            assert value == value.strip() != ""
        assert re.fullmatch(r"[a-z0-9-]+", comment["thread"])
        assert " " not in comment["author"]
        for label in comment["narratives"]:
            assert set(label) == {"id", "stance"}
            assert label["stance"] in {"supports", "rebuts"}


def test_counts(comments: list[Sample]) -> None:
    assert 380 <= len(comments) <= 450
    assert len({comment["id"] for comment in comments}) == len(comments)
    assert len({comment["thread"] for comment in comments}) == 8
    assert len({comment["source"] for comment in comments}) == 3
    authors = Counter(comment["author"] for comment in comments)
    assert 140 <= len(authors) <= 180
    assert max(authors.values()) <= 20


def test_one_title_and_one_site_for_each_thread(comments: list[Sample]) -> None:
    triples = {(comment["thread"], comment["source"], comment["thread_title"]) for comment in comments}
    assert len(triples) == 8


def test_time_order_and_span(comments: list[Sample]) -> None:
    times = [when(comment) for comment in comments]
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] <= END
    assert {time.day for time in times} == {7, 8, 9, 10, 11}


def test_nights_are_quiet_but_not_empty(comments: list[Sample]) -> None:
    night = sum(when(comment).hour < 5 or when(comment).hour >= 22 for comment in comments)
    assert 0 < night / len(comments) < 0.1


def test_parents_are_earlier_and_in_the_same_thread(comments: list[Sample]) -> None:
    seen: dict[str, Sample] = {}
    replies = 0
    for comment in comments:
        if comment["parent"] is not None:
            parent = seen[comment["parent"]]
            assert parent["thread"] == comment["thread"]
            assert when(parent) < when(comment)
            replies += 1
        seen[comment["id"]] = comment
    assert 0.28 <= replies / len(comments) <= 0.4


def test_languages(comments: list[Sample]) -> None:
    share = {lang: n / len(comments) for lang, n in Counter(c["lang"] for c in comments).items()}
    assert set(share) == {"fr", "en", "de", "es"}
    assert 0.5 <= share["fr"] <= 0.6
    assert 0.38 <= share["en"] <= 0.46
    assert 0.01 <= share["de"] + share["es"] <= 0.05


def test_lengths(comments: list[Sample]) -> None:
    lengths = [len(words(comment["text"])) for comment in comments]
    assert 18 <= median(lengths) <= 30
    assert min(lengths) <= 2
    assert 80 <= max(lengths) <= 140


def test_some_comments_are_html(comments: list[Sample]) -> None:
    html = [c for c in comments if re.search(r"<(?:p|a|blockquote|code|em|b)\b|&#?\w+;", c["text"])]
    assert 0.05 <= len(html) / len(comments) <= 0.12
    assert any("<blockquote>" in comment["text"] for comment in html)
    assert any("&amp;" in comment["text"] for comment in html)


def test_links_lead_nowhere(comments: list[Sample]) -> None:
    for comment in comments:
        for host in re.findall(r"https?://([^/\s\"<]+)", comment["text"]):
            assert host == "example.org"


def test_narratives_are_described(comments: list[Sample], narratives: dict[str, Narrative]) -> None:
    assert set(narratives) == {"s1", "s2", "s3"}
    assert {label["id"] for comment in comments for label in comment["narratives"]} == set(narratives)
    for name, narrative in narratives.items():
        assert list(narrative) == list(Narrative.__annotations__)
        assert narrative["title_fr"]
        assert narrative["title_en"]
        assert narrative["onset"] == mentions(comments, name)[0]["created_at"]
    assert [narratives[name]["kind"] for name in ("s1", "s2", "s3")] == ["organic", "organic", "campaign"]


def test_narratives_emerge_one_after_the_other(narratives: dict[str, Narrative]) -> None:
    assert [narratives[name]["onset"][:10] for name in ("s1", "s2", "s3")] == [
        "2026-09-07",
        "2026-09-09",
        "2026-09-10",
    ]
    assert narratives["s1"]["onset"][11:13] in {"10", "11", "12"}


@pytest.mark.parametrize(
    ("name", "supporting", "rebutting", "authors"),
    [("s1", 28, 6, 25), ("s2", 24, 6, 22), ("s3", 22, 3, 18)],
)
def test_each_narrative_has_enough_voices(
    comments: list[Sample], name: str, supporting: int, rebutting: int, authors: int
) -> None:
    labelled = mentions(comments, name)
    agreeing = supporters(comments, name)
    assert supporting <= len(agreeing) <= supporting + 4
    assert rebutting <= len(labelled) - len(agreeing) <= rebutting + 3
    assert len({comment["author"] for comment in labelled}) >= authors
    assert len({comment["thread"] for comment in labelled}) == 3
    assert {comment["lang"] for comment in agreeing} == {"fr", "en"}


def test_first_narrative_starts_in_french_and_crosses_on_the_second_day(comments: list[Sample]) -> None:
    first_day = [c for c in mentions(comments, "s1") if when(c).day == 7]
    assert len(first_day) >= 5
    assert {comment["lang"] for comment in first_day} == {"fr"}
    assert any(c["lang"] == "en" for c in mentions(comments, "s1") if when(c).day == 8)


def test_first_narrative_varies_its_words(comments: list[Sample]) -> None:
    shared = re.compile(r"rachat|rachet|acqui|takeover|taken over|contr[oô]l|bought|buy", re.IGNORECASE)
    texts = [comment["text"] for comment in supporters(comments, "s1")]
    share = sum(bool(shared.search(text)) for text in texts) / len(texts)
    assert 0.5 <= share <= 0.9


def test_campaign_is_short_and_runs_on_fresh_accounts(comments: list[Sample]) -> None:
    campaign = supporters(comments, "s3")
    accounts = {comment["author"] for comment in campaign}
    assert len(accounts) == 18
    assert all(stance(c, "s3") == "supports" for c in comments if c["author"] in accounts)
    assert (when(campaign[-1]) - when(campaign[0])).total_seconds() <= 5 * 3600
    assert len({comment["text"] for comment in campaign}) == len(campaign)


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_campaign_is_copy_and_paste(comments: list[Sample], lang: str) -> None:
    grams = [trigrams(c["text"]) for c in supporters(comments, "s3") if c["lang"] == lang]
    assert len(grams) >= 10
    closest = [max(jaccard(g, other) for other in grams if other is not g) for g in grams]
    assert median(closest) >= 0.75
    assert min(closest) >= 0.5


def test_no_near_duplicates_elsewhere(comments: list[Sample]) -> None:
    grams = [
        (comment["id"], trigrams(comment["text"]))
        for comment in comments
        if stance(comment, "s3") != "supports" and len(words(comment["text"])) >= 8
    ]
    close = [(a, b) for (a, left), (b, right) in combinations(grams, 2) if jaccard(left, right) >= 0.6]
    assert close == []
