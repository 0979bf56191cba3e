import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.types import Claim, pack_vectors
from streams.comments import COMMENT_FIELDS
from streams.errors import RejectedComment, RejectReason
from streams.records import (
    MAX_KEPT_BYTES,
    MAX_LETTER_BYTES,
    MAX_RECORD_BYTES,
    ClaimBatch,
    Comment,
    believable_time,
    cut_letter,
    dead_letter,
    decode_claims,
    decode_comment,
    decode_dead_letter,
    encode_claims,
    encode_comment,
    encode_dead_letter,
    hash_author,
)

MAX_BYTES = 10_000
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def decode(**fields: Any) -> Comment:
    return decode_comment(json.dumps({"id": "1", "text": "Un rachat, encore."} | fields).encode(), MAX_BYTES)


def reason_of(raw: bytes) -> RejectReason:
    with pytest.raises(RejectedComment) as caught:
        decode_comment(raw, MAX_BYTES)
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"id":"1","text":"\xff"}', RejectReason.INVALID_UTF8),
        (b'{"id":"1","text":"a","unknown":"\xff"}', RejectReason.INVALID_UTF8),
        (b'{"id":"1","text":"\xed\xa0\x80"}', RejectReason.INVALID_UTF8),
        (b"", RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"a"', RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"a"} {}', RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"a","n":NaN}', RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"\\ud800 alone"}', RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"\\udc00"}', RejectReason.INVALID_JSON),
        (b'{"id":"1","text":"a","deep":' + b"[" * 4_000 + b"]" * 4_000 + b"}", RejectReason.INVALID_JSON),
        (b"[]", RejectReason.INVALID_RECORD),
        (b"null", RejectReason.INVALID_RECORD),
        (b'{"id":"1"}', RejectReason.INVALID_RECORD),
        (b'{"text":"a"}', RejectReason.INVALID_RECORD),
        (b'{"id":"1","text":null}', RejectReason.INVALID_RECORD),
        (b'{"id":"1","text":["a"]}', RejectReason.INVALID_RECORD),
        (b'{"id":true,"text":"a"}', RejectReason.INVALID_RECORD),
        (b'{"id":1.5,"text":"a"}', RejectReason.INVALID_RECORD),
        (b'{"id":"1","text":"a","desk":"A B"}', RejectReason.INVALID_RECORD),
        (b'{"id":"1","text":"a","desk":"a\\n"}', RejectReason.INVALID_RECORD),
        (b'{"id":"1","text":""}', RejectReason.EMPTY_TEXT),
        (b'{"id":"1","text":" \\n\\u00a0\\u200b\\u0000"}', RejectReason.EMPTY_TEXT),
        (b'{"id":"","text":"a"}', RejectReason.BAD_ID),
        (b'{"id":" ","text":"a"}', RejectReason.BAD_ID),
        (b'{"id":"a\\u0000b","text":"a"}', RejectReason.BAD_ID),
        (b'{"id":"' + b"9" * 513 + b'","text":"a"}', RejectReason.BAD_ID),
        (b'{"id":"1","text":"a","thread":"a\\nb"}', RejectReason.BAD_ID),
        (b'{"id":"1","text":"a","created_at":"yesterday"}', RejectReason.BAD_DATE),
        (b'{"id":"1","text":"a","created_at":"2026-02-30"}', RejectReason.BAD_DATE),
        (b'{"id":"1","text":"' + b"x" * MAX_BYTES + b'"}', RejectReason.TOO_LARGE),
    ],
)
def test_each_kind_of_bad_record_has_its_reason(raw: bytes, reason: RejectReason) -> None:
    assert reason_of(raw) == reason


def test_nesting_without_end_is_refused() -> None:
    raw = b'{"id":"1","text":"a","deep":' + b"[" * 300_000 + b"]" * 300_000 + b"}"
    with pytest.raises(RejectedComment, match="nested too deep"):
        decode_comment(raw, 1_000_000)


def test_numbers_are_identifiers_and_null_is_absent() -> None:
    comment = decode(id=41_234_567, parent=41_234_560, thread=7, author=None, created_at=None, lang=None)
    assert (comment.id, comment.parent, comment.thread) == ("41234567", "41234560", "7")
    assert (comment.author, comment.created_at_ms, comment.lang) == ("", None, "")


def test_unknown_fields_and_control_characters_of_the_text_pass() -> None:
    comment = decode(text="a\x00b <script>alert(1)</script>", score=3, kids=[1, {"a": 2}])
    assert comment.text == "a\x00b <script>alert(1)</script>"


def test_what_is_shown_is_made_harmless() -> None:
    assert decode(permalink="javascript:alert(1)").permalink == ""
    assert decode(permalink='https://x.example/"onmouseover=').permalink == ""
    assert decode(permalink="https://x.example/c#1").permalink == "https://x.example/c#1"
    assert decode(thread_title="A\x00B\n" + "x" * 600).thread_title.startswith("A B x")
    assert len(decode(thread_title="x" * 600).thread_title) == 500
    assert [decode(lang=given).lang for given in ("fr-FR", "EN", "french", "", "<b>")] == [
        "fr",
        "en",
        "",
        "",
        "",
    ]


def test_a_thread_may_be_named_in_french() -> None:
    assert decode(thread="Fusion\u00a0: le point").thread == "Fusion\u00a0: le point"


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("2026-03-01T12:00:00Z", 1_772_366_400_000),
        ("2026-03-01t12:00:00z", 1_772_366_400_000),
        ("2026-03-01T12:00:00", 1_772_366_400_000),
        ("2026-03-01T13:00:00.250+01:00", 1_772_366_400_250),
        ("2026-03-01", 1_772_323_200_000),
        (" ", None),
    ],
)
def test_dates_become_epoch_milliseconds_utc(text: str, epoch_ms: int | None) -> None:
    comment = decode(created_at=text)
    assert (comment.created_at_ms, comment.date_rejected) == (epoch_ms, False)


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2101-01-01", "9999-12-31"]
)
def test_dates_beyond_belief_are_put_aside_not_the_comment(text: str) -> None:
    comment = decode(created_at=text)
    assert (comment.created_at_ms, comment.date_rejected) == (None, True)


def test_a_date_may_not_lie_ahead_of_its_arrival() -> None:
    arrival_ms = 1_772_366_400_000
    assert believable_time(arrival_ms + 5_000, arrival_ms, 5.0) == arrival_ms + 5_000
    assert believable_time(arrival_ms + 5_001, arrival_ms, 5.0) is None
    assert believable_time(arrival_ms - 10**10, arrival_ms, 5.0) == arrival_ms - 10**10
    assert believable_time(None, arrival_ms, 5.0) is None


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
objects = st.dictionaries(st.sampled_from(sorted(COMMENT_FIELDS)) | st.text(), values)
nearly_comments = st.fixed_dictionaries({"id": st.text() | st.integers(), "text": st.text()}).flatmap(
    lambda base: objects.map(lambda more: more | base)
)


@settings(max_examples=400, deadline=None)
@given(st.binary() | (objects | nearly_comments).map(lambda fields: json.dumps(fields).encode()))
def test_any_bytes_are_a_comment_or_rejected(raw: bytes) -> None:
    try:
        comment = decode_comment(raw, MAX_BYTES)
    except RejectedComment as rejection:
        letter = dead_letter(raw, rejection.at("comments", 1, 2), at=NOW)
        assert decode_dead_letter(encode_dead_letter(letter)) == letter
    else:
        assert comment.text
        assert comment.id.isprintable()
        msgspec.msgpack.encode(comment)


@settings(max_examples=200, deadline=None)
@given(nearly_comments.map(lambda fields: json.dumps(fields).encode()))
def test_a_comment_survives_its_record(raw: bytes) -> None:
    try:
        comment = decode_comment(raw, MAX_BYTES)
    except RejectedComment:
        return
    again = decode_comment(encode_comment(comment), 10 * MAX_BYTES)
    assert again == msgspec.structs.replace(comment, date_rejected=False)


@settings(max_examples=200, deadline=None)
@given(st.integers(820_500_000_000, 4_100_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_every_date_keeps_its_millisecond(epoch_ms: int, offset_minutes: int) -> None:
    zone = timezone(timedelta(minutes=offset_minutes))
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)).astimezone(zone)
    comment = decode(created_at=moment.isoformat())
    assert comment.created_at_ms == epoch_ms
    assert decode_comment(encode_comment(comment), MAX_BYTES) == comment


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_claims_or_rejected(raw: bytes) -> None:
    for decoder in (decode_claims, decode_dead_letter):
        with suppress(RejectedComment):
            decoder(raw)


def test_claims_keep_their_vectors_bit_for_bit() -> None:
    vectors = np.random.default_rng(7).normal(size=(2, 384)).astype(np.float32)
    claims = [
        Claim(
            source="s",
            comment_id="1",
            n=n,
            of=2,
            text="C'est un rachat déguisé.",
            language="fr",
            thread="t",
            author="a",
            created_at_ms=None,
            vector=vector,
        )
        for n, vector in enumerate(pack_vectors(vectors))
    ]
    batch = ClaimBatch(
        desk="d", source="s", comment_id="1", partition=3, offset=9, arrival_ms=5, claims=claims
    )
    assert decode_claims(encode_claims(batch)) == batch


def test_authors_are_the_same_only_with_key_source_and_name() -> None:
    def who(key: bytes = b"k" * 32, source: str = "s", author: str = "ann", comment_id: str = "1") -> str:
        return hash_author(key, source, author, comment_id=comment_id)

    assert who() == who(comment_id="2")
    assert len(who()) == 32
    others = [
        who(key=b"l" * 32),
        who(key=b"k" * 100),
        who(source="r"),
        who(author="bob"),
        who(source="sa", author="nn"),
    ]
    anonymous = [who(author=""), who(author="", comment_id="2"), who(author="1")]
    assert len({who(), *others, *anonymous}) == 1 + len(others) + len(anonymous)


def test_a_dead_letter_keeps_bytes_place_reason_and_cause() -> None:
    raw = b'{"id":"1","text":"\xff"}'
    with pytest.raises(RejectedComment) as caught:
        decode_comment(raw, MAX_BYTES)
    record = encode_dead_letter(dead_letter(raw, caught.value.at("comments", 2, 57), at=NOW, key=b"s:1"))
    letter = decode_dead_letter(record)
    assert (letter.original, letter.key, letter.is_whole) == (raw, b"s:1", True)
    assert (letter.topic, letter.partition, letter.offset) == ("comments", 2, 57)
    assert (letter.place, letter.reason, letter.at) == ("comments[2]@57", RejectReason.INVALID_UTF8, NOW)
    assert letter.cause.startswith("UnicodeDecodeError")
    assert json.loads(record)["reason"] == "invalid_utf8"


def test_a_huge_record_is_kept_whole_and_can_be_cut_to_what_any_broker_takes() -> None:
    raw = b"x" * 5_000_000
    with pytest.raises(RejectedComment) as caught:
        decode_comment(raw, MAX_BYTES)
    letter = dead_letter(raw, caught.value.at("comments", 0, 0), at=NOW, key=b"k" * 5_000)
    assert decode_dead_letter(encode_dead_letter(letter)) == letter
    assert (letter.original, letter.is_whole) == (raw, True)
    record = encode_dead_letter(cut_letter(letter))
    cut = decode_dead_letter(record)
    assert len(record) < 1_000_000
    assert (len(cut.original), cut.original_size_bytes) == (MAX_KEPT_BYTES, 5_000_000)
    assert cut.sha256 == hashlib.sha256(raw).hexdigest()
    assert (cut.key, cut.key_was_lost, cut.is_whole) == (None, True, False)


def test_a_record_larger_than_any_topic_takes_is_cut_at_once() -> None:
    rejection = RejectedComment(RejectReason.TOO_LARGE, "too large").at("comments", 0, 0)
    largest = dead_letter(b"x" * MAX_RECORD_BYTES, rejection, at=NOW)
    assert largest.is_whole
    assert len(encode_dead_letter(largest)) < MAX_LETTER_BYTES
    assert not dead_letter(b"x" * (MAX_RECORD_BYTES + 1), rejection, at=NOW).is_whole


def test_what_was_never_seen_whole_has_no_digest() -> None:
    rejection = RejectedComment(RejectReason.TOO_LARGE, "too large")
    letter = dead_letter(b"start", rejection, at=NOW, place="a.jsonl:3", size_bytes=99)
    assert (letter.sha256, letter.is_whole) == ("", False)
