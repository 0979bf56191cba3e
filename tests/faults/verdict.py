"""What came out of a fault, held against a replay of the same comments."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from sklearn.metrics import adjusted_rand_score

from streams.records import decode_claims, decode_dead_letter
from streams.replay import ReplayPlan, replay
from streams.results import MentionRecord, MergedNarrative, NarrativeRecord, decode_narrative
from streams.settings import Settings
from streams.topics import Topic
from tests.faults.traffic import Line
from tests.integration.live import records

__all__ = ["Verdict", "judge"]


class Verdict(NamedTuple):
    """The figures of one fault.

    lost: good comments without claims, bad ones without a dead letter, and mentions that a narrative should
    have (with one partition: by the replay). double: what counts more often than once. changed: narratives of
    the replay under another id, or none. ari: of the narratives against those of the replay, over comments.
    """

    comments: int
    mentions: int
    letters: int
    lost: int
    double: int
    changed: int
    ari: float


class _State(NamedTuple):
    """Which comments stand as mentions of which narrative, and what each narrative says it has."""

    standing: dict[str, set[str]]
    counted: dict[str, int]


def judge(settings: Settings, lines: Sequence[Line], *, exact: bool) -> Verdict:
    """Read all topics. exact: whether narratives must be those of the replay, as with one partition."""
    good = [line for line in lines if line.good]
    bad = len(lines) - len(good)
    found, expected = _found(settings), _replayed(settings, good)
    claimed = {
        (batch.source, batch.comment_id)
        for batch in (decode_claims(record.value or b"") for record in records(settings, Topic.CLAIMS))
    }
    wanted = {(fields["source"], str(fields["id"])) for fields in (json.loads(line.value) for line in good)}
    places = Counter(
        decode_dead_letter(record.value or b"").place for record in records(settings, Topic.DEAD_LETTERS)
    )
    lost = len(wanted - claimed) + max(0, bad - len(places))
    double = max(0, len(places) - bad)
    for narrative, count in found.counted.items():
        mentions = len(found.standing.get(narrative, ()))
        double += max(0, count - mentions)
        lost += max(0, mentions - count)
    changed = 0
    if exact:
        changed = sum(
            found.standing.get(narrative, set()) != mentions
            for narrative, mentions in expected.standing.items()
        )
        changed += len(found.standing.keys() - expected.standing.keys())
        lost += sum(
            len(mentions - found.standing.get(narrative, set()))
            for narrative, mentions in expected.standing.items()
        )
    return Verdict(
        comments=len(wanted),
        mentions=sum(map(len, found.standing.values())),
        letters=len(places),
        lost=lost,
        double=double,
        changed=changed,
        ari=_agreement(sorted(f"{source}\x1f{comment}" for source, comment in wanted), found, expected),
    )


def _found(settings: Settings) -> _State:
    """The last that was said of each comment and narrative, and of each narrative."""
    known = {
        one.narrative_id: one
        for one in (decode_narrative(record.value or b"") for record in records(settings, Topic.NARRATIVES))
    }
    into = {key: one.into for key, one in known.items() if isinstance(one, MergedNarrative)}
    decoder = msgspec.json.Decoder(MentionRecord)
    last: dict[tuple[str, str], bool] = {}
    for record in records(settings, Topic.MENTIONS):
        mention = decoder.decode(record.value or b"")
        comment = f"{mention.source}\x1f{mention.comment_id}"
        last[_resolved(mention.narrative_id, into), comment] = mention.withdrawn
    standing: dict[str, set[str]] = {}
    for (narrative, comment), withdrawn in last.items():
        if not withdrawn:
            standing.setdefault(narrative, set()).add(comment)
    counted = {key: one.mentions for key, one in known.items() if isinstance(one, NarrativeRecord)}
    return _State(standing, counted)


def _resolved(narrative: str, into: dict[str, str]) -> str:
    while narrative in into:
        narrative = into[narrative]
    return narrative


def _replayed(settings: Settings, good: Sequence[Line]) -> _State:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "comments.jsonl"
        source.write_bytes(b"".join(line.value + b"\n" for line in good))
        out = Path(folder) / "out"
        now_ms = round(time.time() * 1000)
        replay(settings, ReplayPlan(inputs=[str(source)], out=out), now_ms=now_ms, progress=lambda *_: None)
        standing: dict[str, set[str]] = {}
        for line in (out / "assignments.jsonl").read_text().splitlines():
            fields = json.loads(line)
            if fields["narrative_id"] is not None:
                comment = f"{fields['source']}\x1f{fields['comment_id']}"
                standing.setdefault(fields["narrative_id"], set()).add(comment)
    return _State(standing, {key: len(comments) for key, comments in standing.items()})


def _agreement(comments: Sequence[str], found: _State, expected: _State) -> float:
    """Adjusted Rand index over comments; of several narratives a comment counts for the largest."""
    columns = []
    for state in (found, expected):
        label: dict[str, str] = {}
        for narrative, mentions in sorted(state.standing.items(), key=lambda item: (len(item[1]), item[0])):
            label |= dict.fromkeys(mentions, narrative)
        columns.append([label.get(comment, f"none {comment}") for comment in comments])
    return float(adjusted_rand_score(*columns))
