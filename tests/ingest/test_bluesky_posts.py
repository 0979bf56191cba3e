"""Which posts are wanted, and records that are made to break what reads them."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from streams.ingest.bluesky_posts import Event, Post, Wanted, read_post

NOW_US = 1_772_438_400_000_000
OUTLET = "did:plc:outlet"


def event(record: object, did: str = "did:plc:somebody") -> Event:
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3l", "record": record}
    raw = {"did": did, "time_us": NOW_US, "kind": "commit", "commit": commit}
    return msgspec.json.decode(json.dumps(raw), type=Event)


def post(text: str = "Bonjour", **fields: Any) -> Post:
    found = read_post(event({"text": text, **fields}))
    assert found is not None
    return found


def wanted(**rules: Any) -> Wanted:
    none: dict[str, Any] = {
        "keywords": (),
        "langs": (),
        "accounts": (),
        "domains": (),
        "everything": False,
    }
    return Wanted(**{**none, **rules})


@pytest.mark.parametrize(
    ("keyword", "text", "expected"),
    [
        ("rachat", "C'est un Rachat déguisé", True),
        ("rachat", "les rachats continuent", False),
        ("rachat déguisé", "un rachat\n  déguisé !", True),
        ("#climat", "tous à la #Climat aujourd'hui", True),
        ("@outlet.example", "bravo @outlet.example", True),
        ("c++", "I love C++ and Rust", True),
        ("a.b", "acb", False),
    ],
)
def test_keywords_are_words_whatever_their_case(keyword: str, text: str, expected: bool) -> None:
    assert wanted(keywords=(keyword,))(post(text), (), "did:plc:x") is expected


def test_keywords_are_looked_for_in_cards_and_tags_too() -> None:
    card = {"external": {"uri": "https://x.example/1", "title": "Le rachat", "description": ""}}
    rule = wanted(keywords=("rachat", "#climat"))
    assert rule(post("regardez", embed=card), (), "")
    assert rule(post("regardez", tags=["climat"]), (), "")
    assert not rule(post("regardez"), (), "")


def test_links_to_a_site_are_wanted_and_its_lookalikes_are_not() -> None:
    rule = wanted(domains=("www.example.org",))

    def linking(address: str) -> Post:
        features = [{"$type": "app.bsky.richtext.facet#link", "uri": address}]
        return post("lisez", facets=[{"features": features}])

    assert rule(linking("https://example.org/a"), (), "")
    assert rule(linking("https://blog.example.org/a"), (), "")
    assert not rule(linking("https://notexample.org/a"), (), "")
    assert not rule(linking("https://evil.example/?example.org"), (), "")
    assert not rule(linking("http://[::1"), (), "")


def test_posts_of_an_account_and_answers_to_it_are_wanted() -> None:
    rule = wanted(accounts=(OUTLET,))
    its_post, other = f"at://{OUTLET}/app.bsky.feed.post/1", "at://did:plc:a/app.bsky.feed.post/2"
    answer = {"root": {"uri": its_post}, "parent": {"uri": other}}
    assert rule(post("non", reply=answer), (), "did:plc:x")
    assert rule(post("oui"), (), OUTLET)
    assert not rule(post("oui"), (), "did:plc:x")
    lookalike = {"root": {"uri": f"at://{OUTLET}x/app.bsky.feed.post/1"}, "parent": {"uri": other}}
    assert not rule(post("non", reply=lookalike), (), "did:plc:x")


def test_discussions_that_are_followed_are_wanted_as_a_whole() -> None:
    root = "at://did:plc:a/app.bsky.feed.post/1"
    answer = post("d'accord", reply={"root": {"uri": root}, "parent": {"uri": root}})
    assert wanted(keywords=("rachat",))(answer, {root}, "did:plc:x")


def test_languages_leave_out_the_others_and_pass_what_names_none() -> None:
    rule = wanted(langs=("fr",), everything=True)
    assert rule(post(langs=["fr-CA"]), (), "")
    assert rule(post(), (), "")
    assert not rule(post(langs=["ja", "en"]), (), "")


@pytest.mark.parametrize("record", [None, [], "text", {}, {"text": 5}, {"text": "a", "reply": "no"}])
def test_a_record_that_is_no_post_is_none(record: object) -> None:
    assert read_post(event(record)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"langs": "fr"},
        {"langs": [5, None]},
        {"facets": {"features": 1}},
        {"facets": [1, {"features": [{"uri": 5}, "x"]}]},
        {"embed": [{"external": 1}]},
        {"embed": {"external": {"uri": ["x"], "title": 3}}},
        {"embed": {"media": {"external": {"title": "ok"}}}},
        {"tags": {"a": 1}},
        {"createdAt": "yesterday"},
    ],
)
def test_fields_of_any_shape_are_left_out(fields: dict[str, Any]) -> None:
    assert post("un texte", **fields).text == "un texte"


def test_a_post_is_not_younger_than_its_arrival() -> None:
    arrived = datetime.fromtimestamp(NOW_US / 1e6, UTC)
    assert post(createdAt="2099-01-01T00:00:00Z").at == arrived
    assert post(createdAt="nonsense").at == arrived
    assert post(createdAt="2026-03-01T12:00:00.123Z").at == datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)
