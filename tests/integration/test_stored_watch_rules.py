"""Rules with the thresholds of watches that were added by command."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.broker import EmbeddedBroker
from streams.cli import narrawatch
from streams.settings import load_settings
from streams.topics import create_topics

pytestmark = pytest.mark.integration


def test_a_watch_that_was_added_by_command_has_its_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARRAWATCH_KAFKA_EMBEDDED", "true")
    config = tmp_path / "narrawatch.toml"
    config.write_text("[[watches]]\nname = 'of the file'\nphrases = ['a claim']\nthreshold_per_hour = 11\n")
    with EmbeddedBroker() as broker:
        create_topics(load_settings(kafka_bootstrap=broker.address, kafka_embedded=True, partitions=1))

        def run(*words: str) -> str:
            done = CliRunner().invoke(narrawatch, [*words, "--kafka", broker.address])
            assert done.exit_code == 0, done.output
            return done.stdout

        run("watches", "add", "added later", "--phrase", "another claim", "--threshold-per-hour", "7")
        rules = " ".join(run("alerts", "render", "--config", str(config), "--stored-watches").split())
    assert 'watch="of the file",window="1h"}) >= 11' in rules
    assert 'watch="added later",window="1h"}) >= 7' in rules
