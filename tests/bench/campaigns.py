"""Which campaigns are reported as such: `python -m tests.bench.campaigns`.

Every labelled world is a stream of its own; so are the development comments, where they are. What counts is
how a narrative was last seen; it is right if most of its comments bear the label of a campaign.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

import click

from models.background import background_of
from models.embedding import load_embedder
from models.outcome import EventType, Kind, NarrativeView
from models.packaged import default_cache_dir
from models.preparation import ClaimMaker
from tests.bench.product import claims_of, new_engine
from tests.bench.sets import BESIDE, SETS, Stream, is_there
from tests.worlds import read_world

__all__ = ["main"]

_SETS = ("worlds", "tech-comments")


@click.command()
def main() -> None:
    """Print the table."""
    embedder = load_embedder("packaged", cache_dir=default_cache_dir())
    background = background_of(embedder, cache_dir=default_cache_dir())
    click.echo("| stream | campaigns | reported as such | other narratives reported as campaigns |")
    click.echo("|---|---|---|---|")
    for stream, kinds in _streams():
        labels = {one.comment_id: one.labels for one in stream.comments}
        engine = new_engine(embedder, background)
        said: dict[str, Counter[str]] = {}
        last: dict[str, NarrativeView] = {}
        for claims in claims_of(stream.comments, ClaimMaker(embedder)):
            outcome = engine.observe([claims])
            last |= outcome.changed
            for event in outcome.events:
                if event.type is EventType.MERGED:
                    last.pop(event.narrative_id, None)
            for mention in outcome.mentions:
                counts = said.setdefault(mention.narrative_id, Counter())
                counts.update(dict.fromkeys(labels[mention.comment_id], -1 if mention.withdrawn else 1))
        told = [_main_label(view, said) for view in last.values() if view.kind is Kind.CAMPAIGN]
        campaigns = {label for label, kind in kinds.items() if kind == Kind.CAMPAIGN}
        wrong = sum(label not in campaigns for label in told)
        found = len(campaigns.intersection(told))
        click.echo(f"| {stream.name} | {len(campaigns)} | {found} | {wrong} |")


def _main_label(view: NarrativeView, said: Mapping[str, Counter[str]]) -> str:
    total = Counter[str]()
    for one in [view.narrative_id, *view.aliases]:
        total.update(said.get(one, {}))
    return max(total, key=lambda label: total[label], default="")


def _streams() -> Iterator[tuple[Stream, Mapping[str, str]]]:
    """Each with the kinds of its narratives, by label."""
    for one in SETS:
        if one.name in _SETS and is_there(one):
            for stream in one.load():
                yield stream, _kinds(one.name, stream.name)


def _kinds(name: str, stream: str) -> Mapping[str, str]:
    if name == "worlds":
        return read_world(stream).narratives
    titles = json.loads((BESIDE / "tech-comments" / "narratives.json").read_text(encoding="utf-8"))
    return {label: str(one["kind"]) for label, one in titles.items()}


if __name__ == "__main__":
    main()
