"""What a dead letter is, which are open, and that nothing in one is obeyed by a terminal."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from streams.cli import narrawatch
from streams.commands.dead_letter_views import print_letters
from streams.commands.visible import visible, visible_bytes
from streams.dead_letter_desk import obstacle
from streams.dead_letter_log import Found
from streams.dead_letters import Choice, LetterMark, Treatment, decode_entry, encode_mark, letter_id
from streams.errors import RejectedComment, RejectReason
from streams.records import DeadLetter, cut_letter, dead_letter, encode_dead_letter
from streams.settings import load_settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BARE = load_settings(topic_prefix="x-", author_key="a key for these tests")


def letter(
    raw: bytes = b"{not json",
    *,
    topic: str | None = "x-comments",
    offset: int = 57,
    reason: RejectReason = RejectReason.INVALID_JSON,
    key: bytes | None = b"s:1",
    place: str | None = None,
    size_bytes: int | None = None,
) -> DeadLetter:
    rejection = RejectedComment(reason, "byte 1 is wrong")
    if topic is not None:
        rejection.at(topic, 2, offset)
    return dead_letter(raw, rejection, at=NOW, key=key, place=place, size_bytes=size_bytes)


def test_entries_are_told_apart() -> None:
    mark = LetterMark(letters=["a"], treatment=Treatment.DROPPED, at=NOW)
    assert decode_entry(encode_mark(mark)) == mark
    assert decode_entry(encode_dead_letter(letter())) == letter()
    assert json.loads(encode_mark(mark))["treatment"] == "dropped"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"record": "mark"}',
        b'{"record": 7}',
        b"[" * 100_000,
        encode_dead_letter(letter()).replace(b"12:00:00Z", b"12:00:00"),  # a date without an offset
    ],
)
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(RejectedComment, match="not a dead letter"):
        decode_entry(raw)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    with suppress(RejectedComment):
        decode_entry(raw)


def test_a_letter_that_came_twice_is_one_letter_and_others_are_not() -> None:
    again = msgspec.structs.replace(letter(), at=NOW + timedelta(minutes=3))
    assert letter_id(again) == letter_id(letter()) == letter_id(cut_letter(letter()))
    large = letter(b"x" * 2_000_000)
    assert letter_id(cut_letter(large)) == letter_id(large)
    others = [letter(offset=58), letter(b"other"), letter(topic="x-claims"), letter(topic=None, place="f:1")]
    assert len({letter_id(one) for one in (letter(), *others)}) == 1 + len(others)


def test_a_choice_is_what_meets_all_that_is_asked() -> None:
    assert Choice().takes(letter())
    assert Choice(reasons={RejectReason.INVALID_JSON}, topics={"x-comments"}, since=NOW).takes(letter())
    assert not Choice(reasons={RejectReason.FAILED}).takes(letter())
    assert not Choice(topics={"x-claims"}).takes(letter())
    assert not Choice(since=NOW + timedelta(seconds=1)).takes(letter())
    assert Choice(places={"x-comments[2]@57"}).takes(letter())
    assert not Choice(places={"x-comments[2]@58"}, topics={"x-comments"}).takes(letter())


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(), None),
        (letter(topic="x-claims", key=None), None),
        (letter(b"x" * 2_000_000), None),
        (cut_letter(letter(b"x" * 2_000_000)), "700000 of its 2000000 bytes"),
        (cut_letter(letter(key=b"k" * 2_000)), "key was not kept"),
        (letter(topic=None, place="a.jsonl:3"), "never was in a topic"),
        (letter(topic="x-dead-letters"), "no topic that a worker reads"),
        (letter(topic="somebody-elses"), "no topic that a worker reads"),
    ],
)
def test_what_cannot_be_sent_again_says_why(one: DeadLetter, why: str | None) -> None:
    said = obstacle(one, BARE)
    assert said == why if why is None or said is None else why in said


HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\x9b31m\u202eevil\u2066\u200b\x00\x7f"


@given(st.text(max_size=80) | st.just(HOSTILE), st.integers(min_value=1, max_value=50))
def test_text_of_strangers_is_one_short_printable_line(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    if text.isprintable() and len(text) <= limit:
        assert shown == text


@given(st.binary(max_size=300))
def test_bytes_of_strangers_likewise(raw: bytes) -> None:
    assert visible_bytes(raw, 40).isprintable()
    assert len(visible_bytes(raw, 40)) <= 40


def test_escapes_are_seen() -> None:
    assert visible("a\x1b[31mb\u202e", 40) == "a\\x1b[31mb\\u202e"
    assert visible_bytes(b"caf\xe9 \xc3\xa9", 40) == "caf\\xe9 é"
    assert visible_bytes(b"x" * 100, 10) == "xxxxxxxxx…"


def test_a_list_shows_place_reason_cause_and_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = letter(b"[b]" + HOSTILE.encode(), topic=None, place=f"a{HOSTILE}.jsonl:3", key=None)
    print_letters([Found("a", letter(), None), Found("b", hostile, None)], 1, include_treated=False)
    shown = capsys.readouterr().out
    assert "x-comments[2]@57" in shown
    assert "2026-03-01 12:00:00" in shown
    assert "{not json" in shown
    assert "… and 1 more" in shown
    assert "2 dead letters: 1 invalid_json of x-comments, 1 invalid_json of files" in shown
    print_letters([Found("b", hostile, None)], 10, include_treated=True)
    shown = capsys.readouterr().out
    assert "[b]\\x1b]0;title" in shown  # neither an escape nor markup
    assert not re.search(r"[^\n\x20-\x7e…é]", shown)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(narrawatch, ["dead-letters", *arguments], prog_name="narrawatch")
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_what_is_meant_must_be_said_and_confirmed(command: str) -> None:
    code, said = run(command)
    assert (code, "say which" in said) == (2, True)
    code, said = run(command, "--all")
    assert (code, "--yes or --dry-run" in said) == (2, True)
    assert run(command, "--all", "comments[0]@1", "--yes")[0] == 2


@pytest.mark.parametrize(
    "wrong", [("--since", "yesterday"), ("--since", "999999999d"), ("--reason", "ugly"), ("--limit", "0")]
)
def test_wrong_values_are_wrong_usage(wrong: tuple[str, str]) -> None:
    assert run("list", *wrong)[0] == 2
