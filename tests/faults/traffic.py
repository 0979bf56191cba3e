"""Comments for the faults: those of the labelled worlds, once or several times, as one stream in time."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.worlds import Labelled, names, read_world

__all__ = ["Line", "deletion", "edited", "forged", "fuzzed", "traffic"]

_GAP_SECONDS = 20.0


class Line(NamedTuple):
    """A record of the topic of comments. good: whether a worker is to take it."""

    key: bytes | None
    value: bytes
    good: bool = True


def traffic(count: int, *, now: datetime | None = None, gap_seconds: float = _GAP_SECONDS) -> list[Line]:
    """So many comments in the order of their dates, the last a minute before now."""
    end = (now or datetime.now(UTC)) - timedelta(minutes=1)
    begun = end - timedelta(seconds=gap_seconds * count)
    found = []
    for number, (round_, comment) in zip(range(count), _endless(), strict=False):
        at = begun + timedelta(seconds=gap_seconds * number)
        found.append(_line(comment, round_, at))
    return found


def _endless() -> Iterator[tuple[int, Labelled]]:
    """Two worlds at a time, their comments in turn."""
    worlds = names()
    round_ = 0
    while True:
        for first, second in zip(worlds[::2], worlds[1::2], strict=True):
            both = [read_world(first).comments, read_world(second).comments]
            for place in range(max(map(len, both))):
                for comments in both:
                    if place < len(comments):
                        yield round_, comments[place]
        round_ += 1


def _line(comment: Labelled, round_: int, at: datetime) -> Line:
    fields: dict[str, object] = {
        "id": f"{comment.comment_id}-{round_}",
        "source": comment.source,
        "thread": f"{comment.thread}-{round_}",
        "thread_title": comment.title,
        "author": f"{comment.author} {round_}",
        "created_at": at.isoformat(),
        "lang": comment.language,
        "text": comment.text,
    }
    return _packed(fields)


def _packed(fields: dict[str, object], *, good: bool = True) -> Line:
    return Line(f"{fields['source']}:{fields['id']}".encode(), json.dumps(fields).encode(), good)


def edited(line: Line, text: str) -> Line:
    """The same comment with another text."""
    return _packed(json.loads(line.value) | {"text": text})


def deletion(line: Line) -> Line:
    """What says that a comment is gone."""
    fields = json.loads(line.value)
    return _packed({"id": fields["id"], "source": fields["source"], "deleted": True})


def forged(line: Line, dice: random.Random) -> Line:
    """The same comment with a date that cannot be true, or none."""
    dates = ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "2031-05-05T05:05:05+02:00", None]
    return _packed(json.loads(line.value) | {"created_at": dice.choice(dates)})


def fuzzed(lines: Sequence[Line], dice: random.Random) -> list[Line]:
    """A broken record for each of these: none of them may be taken."""
    return [Line(line.key, _break(line.value, dice), good=False) for line in lines]


def _break(value: bytes, dice: random.Random) -> bytes:
    ways = (
        lambda: dice.randbytes(dice.randrange(0, 400)),
        lambda: value[: dice.randrange(1, len(value) - 1)],
        lambda: b"\xff\xfe" + value,
        lambda: b"[" * dice.choice((10, 1_000, 100_000)),
        lambda: value.replace(b'"text"', b'"Text"', 1),
        lambda: json.dumps(json.loads(value) | {"text": "\x00\x01\u200b <br>"}).encode(),
        lambda: json.dumps(json.loads(value) | {"id": "\x1b[2J"}).encode(),
        lambda: json.dumps(json.loads(value) | {"id": ""}).encode(),
        lambda: json.dumps(json.loads(value) | {"created_at": "the day before yesterday"}).encode(),
        lambda: json.dumps(json.loads(value) | {"text": ["a", "list"]}).encode(),
        lambda: json.dumps(json.loads(value) | {"desk": "../../etc"}).encode(),
        lambda: json.dumps(json.loads(value) | {"id": "x" * 100_000}).encode(),
        lambda: b"",
    )
    return dice.choice(ways)()
