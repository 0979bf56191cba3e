"""Which campaigns are reported as such: `python -m tests.bench.campaigns`.

Every labelled world is a stream of its own; so are the development comments, where they are. A narrative is
right if most of its comments bear the label of a campaign. Nothing is fitted here.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

import click

from models.background import background_of
from models.embedding import load_embedder
from models.outcome import Kind
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
        alive: dict[str, str] = {}
        for claims in claims_of(stream.comments, ClaimMaker(embedder)):
            for mention in engine.observe([claims]).mentions:
                counts = said.setdefault(mention.narrative_id, Counter())
                counts.update(dict.fromkeys(labels[mention.comment_id], -1 if mention.withdrawn else 1))
        for view in engine.narratives():
            if view.kind is Kind.CAMPAIGN:
                total = sum(
                    (said.get(one, Counter()) for one in [view.narrative_id, *view.aliases]), Counter()
                )
                alive[view.narrative_id] = max(total, key=lambda label: total[label], default="")
        campaigns = {label for label, kind in kinds.items() if kind == Kind.CAMPAIGN}
        wrong = sum(label not in campaigns for label in alive.values())
        found = len(campaigns.intersection(alive.values()))
        click.echo(f"| {stream.name} | {len(campaigns)} | {found} | {wrong} |")


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
