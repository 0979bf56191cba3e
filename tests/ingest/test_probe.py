"""`narrawatch sources`: which connector fits a site, and what is shown of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import narrawatch
from streams.ingest.registry import kinds
from tests.contracts.sources import STAGES, Stage
from tests.polite.scripted_server import Reply, scripted_server


@pytest.fixture(params=["wordpress", "discourse", "feed", "lemmy", "mastodon"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    kind: str = request.param
    site = request.getfixturevalue("wordpress_site") if kind == "wordpress" else None
    with STAGES[kind](site) as running:
        yield running


def sources(*arguments: str, **environment: str) -> Result:
    variables = {"NARRAWATCH_INGEST_ALLOW_PRIVATE": "true", "NARRAWATCH_INGEST_INTERVAL_SECONDS": "0"}
    return CliRunner().invoke(narrawatch, ["sources", *arguments], env=variables | environment)


def test_the_right_connector_is_named(stage: Stage) -> None:
    done = sources("probe", stage.front)
    assert done.exit_code == 0, done.output
    first, *rest = done.output.splitlines()
    assert first.startswith(f"{stage.kind} fits: ")
    assert any(line.startswith(f"Follow it with: narrawatch ingest {stage.kind} http") for line in rest)
    assert sum(line.startswith("    ") for line in rest) == 3


def test_the_same_for_a_program(stage: Stage) -> None:
    done = sources("probe", stage.front, "--json")
    found = json.loads(done.stdout)
    best = found["fits"][0]
    assert best["kind"] == stage.kind
    assert len(best["samples"]) == 3
    assert not any("author" in sample for sample in best["samples"])


def test_what_strangers_wrote_is_seen_and_not_obeyed() -> None:
    text = "ba\x1b]0;owned\x07d \u202egnol&lt;b&gt;"
    feed = (
        "<rss version='2.0'><channel><title>x</title><item><guid isPermaLink='false'>1</guid>"
        f"<description><![CDATA[{text}]]></description></item></channel></rss>"
    )
    with scripted_server() as server:
        server.answer = lambda path, _: Reply(body=feed.encode()) if path == "/feed" else Reply(404)
        done = sources("probe", f"{server.url}/feed")
    assert done.exit_code == 0, done.output
    assert not {character for character in done.output if not character.isprintable() and character != "\n"}
    assert "owned" in done.output


def test_a_site_of_no_kind() -> None:
    with scripted_server() as server:
        server.answer = lambda path, _: Reply(body=b"<p>A shop") if path == "/" else Reply(404)
        done = sources("probe", server.url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no connector fits" in done.stderr


def test_a_site_that_does_not_answer() -> None:
    done = sources("probe", "http://127.0.0.1:9", NARRAWATCH_INGEST_TIMEOUT_SECONDS="1")
    assert done.exit_code == 1
    assert "127.0.0.1" in done.output


def test_a_private_address_is_refused_unless_allowed() -> None:
    done = sources("probe", "http://127.0.0.1:9", NARRAWATCH_INGEST_ALLOW_PRIVATE="false")
    assert done.exit_code == 1
    assert "ingest_allow_private" in done.output


def test_the_list_says_what_each_promises() -> None:
    done = sources("list")
    for kind in kinds():
        assert f"\n{kind}: " in "\n" + done.output
    assert done.output.count("  cannot see: ") == len(kinds())


def test_one_kind_is_shown_with_its_options() -> None:
    assert "window_hours = " in sources("list", "wordpress").output
    assert "did you mean wordpress?" in str(sources("list", "wordpres").output)


def test_the_table_of_the_documentation_is_that_of_the_connectors() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    for about in json.loads(sources("list", "--json").stdout):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{about['kind']}` |"))
        for name in ("guarantee", "rate", "blind_spots"):
            assert about[name] in row, (about["kind"], name)
