"""The mentions that stand at the end of a replay."""

import io
import json

import msgspec

from models.outcome import Mention
from streams.replay_mentions import MentionLines
from tests.web.records import mention


def said(comment_id: str, narrative_id: str, **fields: object) -> Mention:
    return msgspec.convert(mention(comment_id, narrative_id, **fields), Mention, from_attributes=True)


def test_the_last_word_of_a_comment_and_a_narrative_stands() -> None:
    lines = MentionLines(io.BytesIO())
    lines.add("a", said("c1", "n1", text="first"))
    lines.add("a", said("c2", "n2"))
    lines.add("b", said("c1", "n1", text="of another desk"))
    lines.add("a", said("c1", "n1", text="edited"))
    lines.add("a", said("c3", "n1"))
    lines.add("a", said("c3", "n1", text="", withdrawn=True))
    # n2 merged into n1: what is said last of c4 in either of them holds.
    lines.add("a", said("c4", "n2"))
    lines.add("a", said("c4", "n1", text="", withdrawn=True))
    lines.add("a", said("c5", "n1", text="", withdrawn=True))
    lines.add("a", said("c5", "n2"))
    file = io.BytesIO()
    lines.write(file, lambda narrative_id: {"n2": "n1"}.get(narrative_id, narrative_id))
    written = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(one["desk"], one["narrative_id"], one["comment_id"], one["text"]) for one in written] == [
        ("a", "n1", "c2", "Text of comment c2"),
        ("b", "n1", "c1", "of another desk"),
        ("a", "n1", "c1", "edited"),
        ("a", "n1", "c5", "Text of comment c5"),
    ]
