import io
import json
from pathlib import Path

import pytest

from streams.comments import Comment
from streams.errors import InputError, RejectReason
from streams.ingest.base import RawComment
from streams.ingest.files import read_comments
from streams.ingest.lines import MAX_LINE_BYTES

MAX_BYTES = 1_000_000


def read(path: Path, content: bytes, max_bytes: int = MAX_BYTES) -> list[RawComment]:
    path.write_bytes(content)
    return list(read_comments(path, max_bytes=max_bytes))


def outcome(item: RawComment) -> str:
    """One word for what became of a record; checks what holds for all of them."""
    assert (item.comment is None) != (item.rejection is None)
    assert item.record is not None or item.rejection is not None
    if item.comment is not None:
        return item.comment.text
    assert item.rejection is not None
    return item.rejection.reason.value


def comments(items: list[RawComment]) -> list[Comment]:
    return [item.comment for item in items if item.comment is not None]


def test_json_lines_pass_byte_for_byte(tmp_path: Path) -> None:
    good = b'{"text": "Bien vu",   "id": 12, "score": 3}'
    items = read(
        tmp_path / "in.jsonl", b"\xef\xbb\xbf" + good + b"\r\n\n  \n{broken\n" + b'{"id":"2","text":"\xff"}'
    )
    assert [outcome(item) for item in items] == ["Bien vu", "invalid_json", "invalid_utf8"]
    assert [item.place for item in items] == ["in.jsonl:1", "in.jsonl:4", "in.jsonl:5"]
    assert [item.record for item in items] == [good, b"{broken", b'{"id":"2","text":"\xff"}']
    assert all(item.original == item.record for item in items)


def test_standard_input_is_json_lines() -> None:
    stream = io.BytesIO(b'{"id":"1","text":"a"}\n')
    (item,) = read_comments("-", max_bytes=MAX_BYTES, standard_input=stream)
    assert (outcome(item), item.place) == ("a", "stdin:1")


def test_a_line_of_text_is_a_comment_by_an_author_of_its_own(tmp_path: Path) -> None:
    items = read(tmp_path / "fil.txt", b"C'est un rachat.\r\n\nPas du tout !\ncaf\xe9\n\x00\n")
    assert [outcome(item) for item in items] == [
        "C'est un rachat.",
        "Pas du tout !",
        "invalid_utf8",
        "empty_text",
    ]
    first, second = comments(items)
    assert (first.id, second.id) == ("fil.txt:1", "fil.txt:3")
    assert {first.thread, second.thread} == {"fil"}
    assert {first.author, second.author} == {""}
    assert items[2].original == b"caf\xe9"
    assert items[2].record is None
    again = list(read_comments(tmp_path / "fil.txt", max_bytes=MAX_BYTES))
    assert comments(again) == [first, second]


def test_csv_names_its_columns(tmp_path: Path) -> None:
    content = (
        "\ufeffID;Text;author;note;created_at\n"
        '7;"Le ""sursis"",\n; sur deux lignes";zoé;x;2026-03-01\n'
        "\n"
        ";sans identifiant;;;\n"
    )
    items = read(tmp_path / "in.csv", content.encode())
    first, second = comments(items)
    assert (first.id, first.text, first.author) == ("7", 'Le "sursis",\n; sur deux lignes', "zoé")
    assert first.created_at_ms == 1_772_323_200_000
    assert (second.id, second.text) == ("in.csv:5", "sans identifiant")
    assert [item.place for item in items] == ["in.csv:2", "in.csv:5"]


def test_bad_rows_of_a_csv_are_refused_one_by_one(tmp_path: Path) -> None:
    content = (
        b"id,text\n"
        b"1,good\n"
        b"2,caf\xe9\n"
        b"3,a,b\n"
        b"4,\n"
        b"5\n"
        b'6,"odd" quotes\n'
        b"7,still good\n"
        b'8,"never closed\n'
        b"9,swallowed\n"
    )
    items = read(tmp_path / "in.csv", content)
    assert [outcome(item) for item in items] == [
        "good",
        "invalid_utf8",
        "invalid_record",
        "empty_text",
        "empty_text",
        "invalid_record",
        "still good",
        "invalid_record",
    ]
    assert items[1].original == b"2,caf\xe9\n"
    assert items[-1].original == b'8,"never closed\n9,swallowed\n'
    assert items[-1].place == "in.csv:9"


def test_nothing_is_lost_whatever_the_file_holds(tmp_path: Path) -> None:
    lines = [b'{"id":"%d","text":"t"}' % n for n in range(50)] + [bytes([n]) * 3 for n in range(33, 256)]
    items = read(tmp_path / "in.jsonl", b"\n".join(lines))
    assert [item.original for item in items] == lines
    assert len(comments(items)) == 50


@pytest.mark.parametrize("suffix", [".jsonl", ".txt", ".csv"])
def test_a_line_too_long_to_hold_is_refused_and_the_next_one_read(tmp_path: Path, suffix: str) -> None:
    header = b"text\n" if suffix == ".csv" else b""
    long = b"x" * (MAX_LINE_BYTES + 1)
    last = b'{"id":"1","text":"last"}\n' if suffix == ".jsonl" else b"last\n"
    items = read(tmp_path / f"in{suffix}", header + long + b"\n" + last)
    assert [outcome(item) for item in items] == ["too_large", "last"]
    assert items[0].record is None
    assert items[0].size_bytes >= len(long) > len(items[0].original)


def test_a_large_comment_is_still_a_record_for_the_worker_to_judge(tmp_path: Path) -> None:
    line = json.dumps({"id": "1", "text": "x" * 5_000_000}).encode()
    (item,) = read(tmp_path / "in.jsonl", line + b"\n")
    assert (outcome(item), item.record) == (RejectReason.TOO_LARGE, line)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("absent.jsonl", None, "No such file"),
        ("in.xml", b"<a/>", "unknown format"),
        ("in.csv", b"id,body\n", "one must be text"),
        ("in.csv", b"", "one must be text"),
        ("in.csv", b"\xff\xfe", "one must be text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_at_once(
    tmp_path: Path, name: str, content: bytes | None, part: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=part) as caught:
        read_comments(path, max_bytes=MAX_BYTES)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="directory"):
        read_comments(tmp_path, max_bytes=MAX_BYTES)
