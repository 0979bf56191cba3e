"""`streams.replay` on small files, with hashed words for a model: what is in every file, and why."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from models.embedding import HashEmbedder
from models.errors import NarrawatchError
from models.outcome import Assignment, Event, EventType, Kind, NarrativeView, State, WatchMatch, instant
from models.preparation import ClaimMaker, Draft, Original
from streams.errors import InputError, OutputError
from streams.replay import ReplayPlan, ReplayResult, replay
from streams.replay_files import OUTPUT_FILES, ReplayFiles
from streams.settings import Settings
from tests.streams.chat_endpoint import KEY, MODEL, Reply, chat_endpoint

NOW_MS = 1_790_000_000_000  # September 2026

STORY = (
    "Le partenariat annoncé ce matin est un rachat déguisé de la jeune entreprise.",
    "Ce partenariat est un rachat déguisé, la jeune entreprise ne décidera plus de rien.",
    "Un rachat déguisé en partenariat, voilà ce que signe la jeune entreprise.",
    "Pour moi ce partenariat cache un rachat déguisé de la jeune entreprise.",
    "Personne ne dit que le partenariat est un rachat déguisé de cette jeune entreprise.",
    "Encore un partenariat qui est un rachat déguisé d'une jeune entreprise.",
    "La jeune entreprise appelle partenariat ce qui est un rachat déguisé.",
    "Partenariat ou rachat déguisé, la jeune entreprise a vendu son âme.",
)
OTHERS = (
    "Ma batterie tient deux jours depuis la dernière mise à jour du téléphone.",
    "The new keyboard feels mushy and the trackpad clicks twice.",
    "Mon fournisseur refuse toujours de raccorder notre village à la fibre.",
    "I moved my blog to a static generator and never looked back.",
    "Les prix des cartes graphiques baissent enfin un peu cet automne.",
    "Does anybody still print photographs at home these days?",
    "Quelle heure de diffusion pour la conférence des développeurs demain ?",
    "My dentist uses a web form from 2003 and it works perfectly.",
)


def settings(tmp_path: Path, **changed: Any) -> Settings:
    given: dict[str, Any] = {
        "model": "hash",
        "author_key": SecretStr("a key for these tests"),
        "data_dir": tmp_path / "data",
        "cache_dir": tmp_path / "cache",
    }
    return Settings(**(given | changed))


def stream() -> list[dict[str, Any]]:
    texts = [text for pair in zip(STORY, OTHERS, strict=True) for text in pair]
    return [
        {
            "id": f"c{n}",
            "text": text,
            "source": "forum",
            "thread": f"t{n % 2}",
            "author": f"author {n}",
            "created_at": f"2026-09-07T10:{n:02d}:00Z",
        }
        for n, text in enumerate(texts)
    ]


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def run(tmp_path: Path, *inputs: str, changed: dict[str, Any] | None = None, **plan: Any) -> ReplayResult:
    return replay(
        settings(tmp_path, **(changed or {})),
        ReplayPlan(inputs=inputs, **({"out": tmp_path / "out"} | plan)),
        now_ms=NOW_MS,
        progress=lambda *_: None,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_file_has_its_fields(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", stream())
    result = run(tmp_path, source, watch_phrases=["rachat déguisé"])
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(OUTPUT_FILES)

    assignments = lines(out / "assignments.jsonl")
    assert [line["comment_id"] for line in assignments] == [record["id"] for record in stream()]
    assert {"comment_id", "claim", "text", "narrative_id", "similarity", "stance", "source"} <= set(
        assignments[0]
    )
    assert {line["stance"] for line in assignments} == {None}

    (narrative,) = lines(out / "narratives.jsonl")
    wanted = (
        "narrative_id label keywords representative mentions supporting rebutting authors threads languages"
        " first_seen emerged_at state aliases kind quotes"
    )
    assert set(wanted.split()) <= set(narrative)
    members = [line for line in assignments if line["narrative_id"] == narrative["narrative_id"]]
    assert len(members) == narrative["mentions"] >= 4
    assert all("rachat" in line["text"] for line in members)

    events = lines(out / "events.jsonl")
    assert events[0]["type"] == "emerged"
    assert events[0]["narrative_id"] == narrative["narrative_id"]
    evidence = "at mentions label keywords quotes authors threads languages first_seen trigger desk"
    assert set(evidence.split()) <= set(events[0])

    matches = lines(out / "watches.jsonl")
    assert {match["watch"] for match in matches} == {"rachat déguisé"}
    assert {"comment_id", "claim", "text", "similarity", "narrative_id", "at"} <= set(matches[0])
    assert {match["comment_id"] for match in matches} >= {record["id"] for record in stream()[::2]}
    final = {line["comment_id"]: line["narrative_id"] for line in assignments}
    assert all(match["narrative_id"] == final[match["comment_id"]] for match in matches)

    assert (out / "rejected.jsonl").read_bytes() == b""
    assert (result.comments, result.duplicates, result.rejected) == (16, 0, {})
    assert result.matches == {"rachat déguisé": len(matches)}
    assert result.events == {"emerged": 1}


def test_the_same_input_gives_the_same_bytes_into_an_old_folder(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", stream())
    run(tmp_path, source, out=tmp_path / "a", watch_phrases=["rachat"])
    run(tmp_path, source, out=tmp_path / "b", watch_phrases=["static generator"])
    (tmp_path / "b" / "notes.txt").write_text("mine", encoding="utf-8")
    run(tmp_path, source, out=tmp_path / "b", watch_phrases=["rachat"])
    assert all_bytes(tmp_path / "b") == all_bytes(tmp_path / "a") | {"notes.txt": b"mine"}
    run(tmp_path, source, out=tmp_path / "b")
    assert not (tmp_path / "b" / "watches.jsonl").exists()  # of the replay before: it would mislead


def test_several_inputs_are_one_stream(tmp_path: Path) -> None:
    records = stream()
    whole = write_jsonl(tmp_path / "whole.jsonl", records)
    parts = [
        write_jsonl(tmp_path / "z.jsonl", records[:7]),
        write_jsonl(tmp_path / "a.jsonl", records[7:]),
    ]
    run(tmp_path, whole, out=tmp_path / "a")
    run(tmp_path, *parts, out=tmp_path / "b")
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")


def test_bad_records_are_listed_and_repeated_ones_counted(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    good = [json.dumps(record).encode() for record in stream()]
    bad = [b"{broken", b'{"id": "x", "text": "\xff"}', b'{"id": "y"}', b'{"id": "z", "text": "<p></p>"}']
    source.write_bytes(b"\n".join([*good[:3], *bad, *good[3:], good[5], good[0]]) + b"\n")
    result = run(tmp_path, str(source))
    assert result.comments == 16
    assert result.duplicates == 2
    assert result.rejected == {"empty_text": 1, "invalid_json": 1, "invalid_record": 1, "invalid_utf8": 1}
    rejected = lines(tmp_path / "out" / "rejected.jsonl")
    assert [line["place"] for line in rejected] == [f"in.jsonl:{n}" for n in (4, 5, 6, 7)]
    assert all({"reason", "detail", "excerpt", "size_bytes"} <= set(line) for line in rejected)
    assert len(lines(tmp_path / "out" / "assignments.jsonl")) == result.claims

    write_jsonl(tmp_path / "clean.jsonl", stream())
    run(tmp_path, str(tmp_path / "clean.jsonl"), out=tmp_path / "clean")
    for name in ("assignments.jsonl", "events.jsonl", "narratives.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()


def test_an_edited_comment_is_what_it_was_last_and_a_deleted_one_is_gone(tmp_path: Path) -> None:
    edited = stream()[9] | {"text": "I had not read the article. Sorry for the noise."}
    deleted = {key: stream()[8][key] for key in ("id", "source") if key in stream()[8]} | {"deleted": True}
    source = write_jsonl(tmp_path / "in.jsonl", [*stream(), edited, deleted, deleted])
    result = run(tmp_path, source)
    assert (result.comments, result.duplicates, result.rejected) == (len(stream()) - 1, 1, {})
    assigned = lines(tmp_path / "out" / "assignments.jsonl")
    assert len(assigned) == result.claims
    by_comment: dict[str, list[str]] = {}
    for line in assigned:
        by_comment.setdefault(line["comment_id"], []).append(line["text"])
    assert deleted["id"] not in by_comment
    assert " ".join(by_comment[edited["id"]]) == edited["text"]
    mentions = {view.narrative_id: view.mentions for _, view in result.narratives}
    found = {key: {one["comment_id"] for one in assigned if one["narrative_id"] == key} for key in mentions}
    assert {key: len(comments) for key, comments in found.items()} == mentions


def test_a_comment_that_breaks_a_step_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft_of = ClaimMaker.draft

    def fail(maker: ClaimMaker, original: Original) -> list[Draft]:
        if original.comment_id == "c3":
            raise RecursionError("too deep")
        return draft_of(maker, original)

    monkeypatch.setattr(ClaimMaker, "draft", fail)
    assert run(tmp_path, write_jsonl(tmp_path / "in.jsonl", stream())).rejected == {"failed": 1}


def test_text_and_csv_are_read_too(tmp_path: Path) -> None:
    text, table = tmp_path / "fil.txt", tmp_path / "fil.csv"
    text.write_text("\n".join(STORY), encoding="utf-8")
    rows = [f'{n},"{line}",author {n}' for n, line in enumerate(STORY)]
    table.write_text("\n".join(["id,text,author", *rows]), encoding="utf-8")
    assert run(tmp_path, str(text), str(table)).comments == 16
    found = lines(tmp_path / "out" / "assignments.jsonl")
    assert [line["text"] for line in found] == [*STORY, *STORY]
    assert (found[0]["comment_id"], found[8]["comment_id"]) == ("fil.txt:1", "0")


def test_a_desk_of_its_own_for_each_that_is_named(tmp_path: Path) -> None:
    records = [record | {"desk": desk} for record in stream() for desk in ("one", "two")]
    source = write_jsonl(tmp_path / "in.jsonl", [*records, {"id": "last", "text": "A claim of no desk."}])
    run(tmp_path, source, changed={"desk": "rest"})
    out = tmp_path / "out"
    assignments = lines(out / "assignments.jsonl")
    assert [line["desk"] for line in assignments[:2]] == ["one", "two"]
    assert assignments[-1]["desk"] == "rest"
    narratives = lines(out / "narratives.jsonl")
    assert sorted(line["desk"] for line in narratives) == ["one", "two"]
    assert len({line["narrative_id"] for line in narratives}) == 2
    assert [event["desk"] for event in lines(out / "events.jsonl")] == ["one", "two"]


def test_a_forged_date_moves_nothing(tmp_path: Path) -> None:
    records = stream()
    records[3]["created_at"] = "2099-01-01T00:00:00Z"
    run(tmp_path, write_jsonl(tmp_path / "in.jsonl", records))
    assert all(event["at"].startswith("2026-09-07") for event in lines(tmp_path / "out" / "events.jsonl"))


LONG = (
    "The new pricing will drive small teams away, and everybody in the industry knows it very well by now."
    " Besides, the company promised twice in public that this plan would stay free for ever. Thanks!"
    " What they never said is who will pay for the servers of all those hobby projects that nobody touches,"
    " and that is the part of the story that I would have liked to read about in this article."
)


def test_vectors_from_a_file_are_a_row_a_claim(tmp_path: Path) -> None:
    records = [*stream(), {"id": "long", "text": LONG}, {"id": "thanks", "text": "Merci !"}]
    source = write_jsonl(tmp_path / "in.jsonl", records)
    run(tmp_path, source, out=tmp_path / "model")
    claims = lines(tmp_path / "model" / "assignments.jsonl")
    assert len(claims) == len(records) + 2  # the long one is of three sentences
    path = vectors_of(tmp_path, [line["text"] for line in claims])
    result = run(tmp_path, source, out=tmp_path / "file", embeddings=path, model_is_wanted=True)
    assert all_bytes(tmp_path / "file") == all_bytes(tmp_path / "model")
    assert result.model.startswith("hashed")
    assert run(tmp_path, source, embeddings=path).model == "none"


def test_vectors_without_split_are_a_row_a_record(tmp_path: Path) -> None:
    records = [*stream(), {"id": "long", "text": LONG}]
    records.insert(4, {"id": "empty", "text": " "})
    records.insert(9, records[8])
    source = write_jsonl(tmp_path / "in.jsonl", records)
    run(tmp_path, source, out=tmp_path / "model", split=False)
    claims = lines(tmp_path / "model" / "assignments.jsonl")
    assert [line["text"] for line in claims][-1] == LONG
    path = vectors_of(tmp_path, [record["text"] for record in records])
    run(tmp_path, source, out=tmp_path / "file", split=False, embeddings=path, model_is_wanted=True)
    assert all_bytes(tmp_path / "file") == all_bytes(tmp_path / "model")


def vectors_of(tmp_path: Path, texts: list[str]) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, 3 * HashEmbedder().embed(texts))  # of any length: they are scaled to 1
    return path


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (np.ones((15, 4), np.float32), "has 15 rows, but the input has more claims"),
        (np.ones((17, 4), np.float32), "has 17 rows, but the input has 16 claims"),
        (np.ones(16, np.float32), "wanted is one float32 matrix"),
        (np.ones((16, 4), np.int64), "wanted is one float32 matrix"),
        (np.zeros((16, 4), np.float32), "row 0 has no direction"),
        (np.full((16, 4), np.nan, np.float32), "row 0 has no direction"),
        (np.array([{"an": "object"}]), "is not a .npy file of numbers"),
    ],
)
def test_vectors_that_do_not_fit_are_one_clear_line(
    tmp_path: Path, rows: np.ndarray[Any, Any], complaint: str
) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, rows, allow_pickle=True)
    source = write_jsonl(tmp_path / "in.jsonl", stream())
    with pytest.raises(InputError, match=complaint):
        run(tmp_path, source, embeddings=path)
    assert not (tmp_path / "out").exists()


def test_vectors_of_another_model_cannot_be_watched(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, np.ones((16, 4), np.float32))
    with pytest.raises(InputError, match="4 dimensions"):
        run(
            tmp_path,
            write_jsonl(tmp_path / "in.jsonl", stream()),
            embeddings=path,
            watch_phrases=["rachat"],
        )


def test_without_any_comment_the_old_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(tmp_path, write_jsonl(tmp_path / "in.jsonl", stream()))
    before = all_bytes(out)
    (tmp_path / "bad.jsonl").write_text("{broken\n[]\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"no comment in .*bad.jsonl: 2 records refused, the first bad.jsonl:1"
    ):
        run(tmp_path, str(tmp_path / "bad.jsonl"))
    assert all_bytes(out) == before


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_is_one_clear_line(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot write to"):
        run(tmp_path, write_jsonl(tmp_path / "in.jsonl", stream()), out=tmp_path / out)


def test_a_missing_file_is_told_before_anything_is_done(tmp_path: Path) -> None:
    good = write_jsonl(tmp_path / "in.jsonl", stream())
    with pytest.raises(NarrawatchError, match=r"cannot read .*nope\.jsonl"):
        run(tmp_path, good, str(tmp_path / "nope.jsonl"), changed={"model": "no such model"})
    assert not (tmp_path / "out").exists()


# --- what is written of what an engine says, whatever engine


def view(narrative_id: str, **changed: Any) -> NarrativeView:
    given: dict[str, Any] = {
        "narrative_id": narrative_id,
        "label": "a label",
        "keywords": ["a"],
        "representative": "a claim",
        "kind": Kind.ORGANIC,
        "state": State.EMERGED,
        "mentions": 3,
        "supporting": None,
        "rebutting": None,
        "copies": 0,
        "authors": 3,
        "threads": {"t": 3},
        "languages": {"fr": 3},
        "sources": {"s": 3},
        "first_seen": instant(0),
        "last_seen": instant(1),
        "emerged_at": instant(1),
        "aliases": [],
        "quotes": [],
    }
    return NarrativeView(**(given | changed))


def event(kind: EventType, shown: NarrativeView, into: str | None = None) -> Event:
    return Event(
        type=kind,
        narrative_id=shown.narrative_id,
        at=instant(5),
        mentions=3,
        narrative=shown,
        trigger={"authors": 3.0},
        into=into,
    )


def draft(comment_id: str, n: int, of: int) -> Draft:
    original = Original(
        source="s", comment_id=comment_id, text="x", thread="t", author="a", created_at_ms=None
    )
    return Draft(original=original, n=n, of=of, text=f"{comment_id}/{n}", language="fr", asserts=True)


def assignment(comment_id: str, n: int, narrative_id: str | None, similarity: float = 0.5) -> Assignment:
    return Assignment(
        source="s", comment_id=comment_id, n=n, narrative_id=narrative_id, similarity=similarity
    )


def test_the_last_word_on_a_claim_counts_and_merged_ids_are_followed(tmp_path: Path) -> None:
    with ReplayFiles(tmp_path, watches=["w"]) as files:
        files.add("d", [draft("1", 0, 2), draft("1", 1, 2)])
        files.add("d", [draft("2", 0, 1)])
        files.match(
            "d",
            WatchMatch(
                watch="w",
                source="s",
                comment_id="2",
                n=0,
                text="2/0",
                similarity=0.4,
                narrative_id=None,
                at=instant(3),
            ),
        )
        for decided in (assignment("1", 0, None), assignment("1", 1, "n1"), assignment("2", 0, "n2")):
            files.assign("d", decided)
        files.assign("d", assignment("1", 0, "n2", similarity=0.123456789))
        files.assign("d", assignment("1", 2, "n9"))  # a claim that was never written
        files.assign("other desk", assignment("1", 0, "n9"))
        for name in ("n1", "n2", "n3"):
            files.event("d", event(EventType.EMERGED, view(name)))
        files.event("d", event(EventType.MERGED, view("n2"), into="n3"))
        files.event("d", event(EventType.FADED, view("n1", state=State.FADED)))
        files.event("d", event(EventType.MERGED, view("n3"), into="n1"))
        files.finish()
    found = lines(tmp_path / "assignments.jsonl")
    assert [(line["text"], line["narrative_id"]) for line in found] == [
        ("1/0", "n1"),
        ("1/1", "n1"),
        ("2/0", "n1"),
    ]
    assert found[0]["similarity"] == 0.123457
    assert [match["narrative_id"] for match in lines(tmp_path / "watches.jsonl")] == ["n1"]
    assert [(line["narrative_id"], line["state"]) for line in lines(tmp_path / "narratives.jsonl")] == [
        ("n1", "faded")
    ]
    assert [line["into"] for line in lines(tmp_path / "events.jsonl")] == [None, None, None, "n3", None, "n1"]


def test_labels_are_refined_at_the_end_where_an_endpoint_is_set(tmp_path: Path) -> None:
    records = [
        {"id": f"c{n}", "text": STORY[n // 2 % 8] if n % 2 else f"{OTHERS[n % 8]} {n}", "author": str(n)}
        for n in range(64)
    ]
    source = write_jsonl(tmp_path / "in.jsonl", records)
    plain = run(tmp_path, source, out=tmp_path / "plain")
    assert plain.narratives
    with chat_endpoint(Reply("Vraiment : {label}")) as endpoint:
        api = {"label_api_url": endpoint.url, "label_api_model": MODEL, "label_api_key": SecretStr(KEY)}
        refined = run(tmp_path, source, out=tmp_path / "refined", changed=api)
        assert len(endpoint.requests) == len(plain.narratives)
        endpoint.replies = [Reply(body=b"<html>")]
        run(tmp_path, source, out=tmp_path / "failed", changed=api)
    for (_, before), (_, after) in zip(plain.narratives, refined.narratives, strict=True):
        assert (after.label, after.plain_label) == (f"Vraiment : {before.label}", before.label)
    for name in ("assignments.jsonl", "events.jsonl"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "refined" / name).read_bytes()
    written = "narratives.jsonl"
    assert (tmp_path / "plain" / written).read_bytes() == (tmp_path / "failed" / written).read_bytes()
    assert "Vraiment : " in (tmp_path / "refined" / written).read_text(encoding="utf-8")
